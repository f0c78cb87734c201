//! What can go wrong on command.

/// A malfunction of a machine. A cut network is none: the machine does not notice it, see the control port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malfunction {
    /// 水泵轴承磨损: pump 1; vibration, bearing temperature and power rise over eight minutes.
    BearingWear,
    /// 压缩空气泄漏: behind the receiver; flow doubles, the third compressor starts, pressure sags.
    Leak,
    /// 测量卡死: the discharge temperature of compressor 2 keeps its last value, which stays plausible.
    StuckSensor,
    /// 主轴驱动故障: machine 3 loses its main contactor; the line starves behind it and jams before it.
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
