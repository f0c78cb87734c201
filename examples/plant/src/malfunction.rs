//! What can go wrong on command.

/// A malfunction of a machine. A cut network is none: the machine does not notice it, see the control port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malfunction {
    /// 水泵轴承磨损: pump 1; vibration, bearing temperature and power rise over a quarter of an hour.
    BearingWear,
    /// 压缩空气泄漏: behind the receiver; flow rises by half, the third compressor starts, pressure sags.
    Leak,
    /// 测量卡死: the discharge temperature of compressor 2 keeps its last value.
    StuckSensor,
    /// 主轴驱动故障: machine 3 stops; the line starves behind it and jams before it.
    SpindleStop,
}

impl Malfunction {
    /// All of them.
    pub const ALL: [Malfunction; 4] =
        [Malfunction::BearingWear, Malfunction::Leak, Malfunction::StuckSensor, Malfunction::SpindleStop];

    /// As commands name it.
    pub const fn name(self) -> &'static str {
        match self {
            Malfunction::BearingWear => "bearing-wear",
            Malfunction::Leak => "leak",
            Malfunction::StuckSensor => "stuck-sensor",
            Malfunction::SpindleStop => "spindle-stop",
        }
    }

    /// The malfunction of that name.
    pub fn named(name: &str) -> Option<Malfunction> {
        Malfunction::ALL.into_iter().find(|malfunction| malfunction.name() == name)
    }
}
