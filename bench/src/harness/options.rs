//! The command line of a comparison: `CASE [--short] [--peer NAME]… [--rounds N] …`.

/// The same bytes in every run unless asked otherwise.
const SEED: u64 = 20_260_801;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// One short round: shows that everything runs, measures nothing.
    pub(crate) short: bool,
    /// Peers to run against; empty = those of the case.
    pub(crate) peers: Vec<String>,
    /// Rounds of each peer; `None` = as the case says.
    pub(crate) rounds: Option<usize>,
    pub(crate) seed: u64,
    /// Server on core 0, clients on core 1.
    pub(crate) pinned: bool,
    /// A peer in the place of our program: tries the harness itself, and writes no result.
    pub(crate) stand_in: Option<String>,
    /// Numbers of publishers and bytes of payload; empty = those of the case.
    pub(crate) publishers: Vec<usize>,
    pub(crate) bytes: Vec<usize>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            short: false,
            peers: Vec::new(),
            rounds: None,
            seed: SEED,
            pinned: true,
            stand_in: None,
            publishers: Vec::new(),
            bytes: Vec::new(),
        }
    }
}

impl Options {
    /// # Errors
    /// The argument that is unknown or lacks its value.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--short" => options.short = true,
                "--unpinned" => options.pinned = false,
                "--peer" => options.peers.push(value()?),
                "--stand-in" => options.stand_in = Some(value()?),
                "--rounds" => options.rounds = Some(number(&argument, &value()?)?.max(1)),
                "--seed" => options.seed = number(&argument, &value()?)? as u64,
                "--publishers" => options.publishers = numbers(&argument, &value()?)?,
                "--bytes" => options.bytes = numbers(&argument, &value()?)?,
                _ => return Err(format!("unknown argument `{argument}`: see bench/README.md")),
            }
        }
        Ok(options)
    }
    /// Rounds to run: one when short, else what was asked for, else what the case wants.
    pub(crate) fn rounds_or(&self, of_the_case: usize) -> usize {
        if self.short { 1 } else { self.rounds.unwrap_or(of_the_case) }
    }
    /// The peers asked for among those the case knows, or its own choice.
    pub(crate) fn peers_or<'a>(&'a self, of_the_case: &[&'a str]) -> Vec<&'a str> {
        if self.peers.is_empty() {
            of_the_case.to_vec()
        } else {
            self.peers.iter().map(String::as_str).collect()
        }
    }
}

fn number(argument: &str, text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("{argument} needs a whole number, not `{text}`"))
}

fn numbers(argument: &str, text: &str) -> Result<Vec<usize>, String> {
    text.split(',').map(|part| number(argument, part)).collect()
}

#[cfg(test)]
mod tests {
    use super::Options;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_string))
    }

    #[test]
    fn arguments_are_read() {
        let options =
            parse("--short --peer nats-server --peer rumqttd --rounds 3 --publishers 1,10").unwrap();
        assert!(options.short && options.pinned);
        assert_eq!(options.peers_or(&["mosquitto"]), ["nats-server", "rumqttd"]);
        assert_eq!(options.publishers, [1, 10]);
        assert_eq!(options.rounds_or(5), 1, "short is one round");
        assert_eq!(parse("--rounds 3").unwrap().rounds_or(5), 3);
        assert_eq!(parse("").unwrap().peers_or(&["mosquitto"]), ["mosquitto"]);
    }

    #[test]
    fn a_wrong_argument_is_named() {
        assert_eq!(parse("--fast").unwrap_err(), "unknown argument `--fast`: see bench/README.md");
        assert_eq!(parse("--rounds").unwrap_err(), "--rounds needs a value");
        assert_eq!(parse("--bytes 1,x").unwrap_err(), "--bytes needs a whole number, not `x`");
    }
}
