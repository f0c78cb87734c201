//! The language of the control port: one line in, one line out, `ok …` or `error …`.

use crate::malfunction::Malfunction;

/// Longest line taken, in bytes.
pub const LINE_BYTES_MAX: usize = 256;
/// Fastest time lapse, in plant seconds a second.
pub const SPEED_MAX: u32 = 600;
/// A cut network comes back after this when no time is named, in s.
pub const CUT_S_DEFAULT: u32 = 30;
/// Longest cut, in s.
pub const CUT_S_MAX: u32 = 3_600;

/// Every command and what it does, in the order to try them.
const COMMANDS: [(&str, &str); 9] = [
    ("fault bearing-wear on|off", "bearing of pump 1: vibration leaves its usual range within two minutes"),
    (
        "fault leak on|off",
        "air joint behind the receiver: header flow leaves its usual range within two minutes",
    ),
    ("fault spindle-stop on|off", "machining centre 3: power falls below its usual range at once"),
    (
        "fault stuck-sensor on|off",
        "discharge temperature of compressor 2 freezes: stays in range, look for the flat line, or compare it with the oil",
    ),
    ("fault network-cut DEVICE [SECONDS]", "the device's network is gone; `list` names the devices"),
    ("list", "which faults are on, and the devices whose network can be cut"),
    ("status", "a few figures of the plant"),
    ("speed 1..600", "time lapse: so many plant seconds a second"),
    ("clear", "everything back to normal"),
];

/// What `help` answers on the control port, where an answer is one line.
pub(crate) fn help_line() -> String {
    COMMANDS.map(|(usage, _)| usage).join(" | ")
}

/// What can be said, one command a line with what it does. Needs no running plant.
pub fn help() -> String {
    let width = COMMANDS.iter().map(|(usage, _)| usage.len()).max().unwrap_or_default();
    COMMANDS.map(|(usage, effect)| format!("{usage:width$}  {effect}\n")).concat()
}

/// A line that was understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What can be said.
    Help,
    /// Which malfunctions there are and which are on.
    List,
    /// A few figures of the plant.
    Status,
    /// Switches a malfunction.
    Fault(Malfunction, bool),
    /// Cuts a device's network for so many seconds. Devices behind one gateway go together.
    NetworkCut {
        /// Device key.
        device: String,
        /// How long.
        seconds: u32,
    },
    /// Everything back to normal.
    Clear,
    /// Time lapse: so many plant seconds a second.
    Speed(u32),
}

/// A line that was not understood. Each says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages are the documentation")]
pub enum CommandError {
    #[error("the line is longer than {LINE_BYTES_MAX} bytes: send one command a line")]
    TooLong,
    #[error("`{0}` is no command: send help to see all of them")]
    Unknown(String),
    #[error("`{0}` is no fault: write bearing-wear, leak, stuck-sensor, spindle-stop or network-cut")]
    UnknownFault(String),
    #[error("is it to go on or off? write fault {0} on, or fault {0} off")]
    OnOrOff(&'static str),
    #[error("which device? write fault network-cut DEVICE SECONDS, such as fault network-cut water 30")]
    WhichDevice,
    #[error("`{0}` is no time for a cut: write 1 to {CUT_S_MAX} seconds")]
    Seconds(String),
    #[error("`{0}` is no speed: write 1 to {SPEED_MAX} plant seconds a second")]
    Speed(String),
    #[error("there is no device `{0}`: write one of {1}")]
    NoDevice(String, String),
}

impl Command {
    /// Reads a line; case and extra blanks do not matter.
    pub fn parse(line: &str) -> Result<Command, CommandError> {
        if line.len() > LINE_BYTES_MAX {
            return Err(CommandError::TooLong);
        }
        let line = line.to_lowercase();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["help"] => Ok(Command::Help),
            ["list"] => Ok(Command::List),
            ["status"] => Ok(Command::Status),
            ["clear"] | ["fault", "clear"] => Ok(Command::Clear),
            ["speed", speed] => match speed.parse() {
                Ok(factor) if (1..=SPEED_MAX).contains(&factor) => Ok(Command::Speed(factor)),
                _ => Err(CommandError::Speed((*speed).into())),
            },
            ["fault", "network-cut", rest @ ..] => parse_cut(rest),
            ["fault", name, rest @ ..] => parse_fault(name, rest),
            _ => Err(CommandError::Unknown(line.trim().into())),
        }
    }
}

fn parse_fault(name: &str, rest: &[&str]) -> Result<Command, CommandError> {
    let malfunction = Malfunction::named(name).ok_or_else(|| CommandError::UnknownFault(name.into()))?;
    match rest {
        ["on"] => Ok(Command::Fault(malfunction, true)),
        ["off"] => Ok(Command::Fault(malfunction, false)),
        _ => Err(CommandError::OnOrOff(malfunction.name())),
    }
}

fn parse_cut(rest: &[&str]) -> Result<Command, CommandError> {
    match rest {
        [device] => Ok(Command::NetworkCut { device: (*device).into(), seconds: CUT_S_DEFAULT }),
        [device, seconds] => match seconds.parse() {
            Ok(s) if (1..=CUT_S_MAX).contains(&s) => {
                Ok(Command::NetworkCut { device: (*device).into(), seconds: s })
            }
            _ => Err(CommandError::Seconds((*seconds).into())),
        },
        _ => Err(CommandError::WhichDevice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_mean_what_the_help_says() {
        assert_eq!(Command::parse(" Fault  LEAK on\r\n"), Ok(Command::Fault(Malfunction::Leak, true)));
        for malfunction in Malfunction::ALL {
            let off = format!("fault {} off", malfunction.name());
            assert_eq!(Command::parse(&off), Ok(Command::Fault(malfunction, false)));
            assert!(help_line().contains(malfunction.name()) && help().contains(malfunction.name()));
        }
        let cut = Command::NetworkCut { device: "water".into(), seconds: CUT_S_DEFAULT };
        assert_eq!(Command::parse("fault network-cut water"), Ok(cut));
        assert_eq!(Command::parse("speed 60"), Ok(Command::Speed(60)));
        assert!(!help_line().contains('\n'), "an answer is one line");
        for (usage, _) in COMMANDS {
            // The first of each choice, with something for what is in capitals.
            let line =
                usage.replace("on|off", "on").replace("DEVICE [SECONDS]", "water 5").replace("1..600", "2");
            assert!(Command::parse(&line).is_ok(), "{line}");
        }
    }

    #[test]
    fn mistakes_get_the_next_action() {
        let says = |line: &str| Command::parse(line).unwrap_err().to_string();
        assert!(says("").contains("send help"));
        assert!(says("fault flood on").contains("spindle-stop"));
        assert!(says("fault leak").contains("fault leak on"));
        assert!(says("fault network-cut water 0").contains("1 to 3600"));
        assert!(says("fault network-cut").contains("water 30"));
        assert!(says("speed 601").contains("1 to 600"));
        assert!(says("speed -1").contains("1 to 600"));
        assert!(says(&"x".repeat(LINE_BYTES_MAX + 1)).contains("one command a line"));
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in ".{0,300}", word in "(fault|speed) (network-cut|leak)? ?.{0,20}") {
            for line in [line, word] {
                if let Err(error) = Command::parse(&line) {
                    prop_assert!(!error.to_string().contains('\n'), "an answer is one line");
                }
            }
        }
    }
}
