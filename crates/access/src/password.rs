//! Passwords: what is good enough, and Argon2id with a bound on how many are worked out at once.

use std::sync::Arc;

use argon2::password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use types::{Fault, Random, codes, random_bytes};

use crate::Secret;
use crate::delay::WAIT;
use crate::user::folded;

/// Memory of one hash in KiB: the first choice of the OWASP Password Storage Cheat Sheet for Argon2id.
pub const ARGON2_MEMORY_KIB: u32 = 19_456;
/// Passes over that memory, from the same source.
pub const ARGON2_ITERATIONS: u32 = 2;
/// Lanes, from the same source.
pub const ARGON2_LANES: u32 = 1;
/// Hashes worked out at the same time; each takes [`ARGON2_MEMORY_KIB`] and one core.
pub const HASHES_AT_ONCE: usize = 2;
/// Hashes that may wait for their turn; more are refused.
pub const HASHES_WAITING_MAX: usize = 32;

/// Characters a password needs.
const CHARS_MIN: usize = 10;
/// Bytes a password may have: hashing longer ones only costs time.
const BYTES_MAX: usize = 1_024;
/// Bytes of a salt, as the PHC string format recommends.
const SALT_BYTES: usize = 16;

/// Passwords of sufficient length that guessers try first, lower case. Shorter ones are refused by length.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1122334455",
    "1234567890",
    "12345678910",
    "123456789a",
    "1234qwerasdf",
    "147258369a",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "5201314520",
    "9876543210",
    "a123456789",
    "abcd123456",
    "abcdefghij",
    "admin12345",
    "admin123456",
    "administrator",
    "asdfghjkl1",
    "changeme123",
    "hello12345",
    "iloveyou123",
    "letmein123",
    "p@ssw0rd123",
    "passw0rd123",
    "password01",
    "password11",
    "password12",
    "password123",
    "password1234",
    "password12345",
    "password123456",
    "q1w2e3r4t5",
    "qazwsxedcrfv",
    "qq123456789",
    "qwer123456",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyuiop",
    "qwertyuiop123",
    "root123456",
    "sinew12345",
    "sinew123456",
    "test123456",
    "welcome123",
    "woaini1314",
    "woaini520",
    "zxcvbnm123",
];

/// Whether a password may be chosen by this user.
pub(crate) fn check_password(password: &Secret, name: &str) -> Result<(), Fault> {
    let text = password.reveal();
    let lower = folded(text);
    let name = folded(name);
    let detail = if text.chars().count() < CHARS_MIN {
        format!("the password has fewer than {CHARS_MIN} characters: choose a longer one")
    } else if text.len() > BYTES_MAX {
        format!("the password is longer than {BYTES_MAX} bytes: choose a shorter one")
    } else if lower == name || lower.chars().eq(name.chars().rev()) {
        "the password is the user name: choose another one".to_string()
    } else if COMMON.contains(&lower.as_str()) || is_monotonous(&lower) {
        "the password is one of the first that anybody would try: choose another one".to_string()
    } else {
        return Ok(());
    };
    Err(weak(detail))
}

/// A password that may not be chosen, or none where one is needed.
pub(crate) fn weak(detail: impl Into<String>) -> Fault {
    Fault::new("password.weak", detail).arg("chars_min", CHARS_MIN).at("/password")
}

/// Fewer than four different characters.
fn is_monotonous(text: &str) -> bool {
    let mut seen: Vec<char> = text.chars().collect();
    seen.sort_unstable();
    seen.dedup();
    seen.len() < 4
}

/// Works out hashes on threads that may block.
pub(crate) struct Hasher {
    memory_kib: u32,
    iterations: u32,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    /// Compared with when there is nobody of a name, so that this takes as long.
    decoy: String,
}

impl Hasher {
    pub(crate) fn new(memory_kib: u32, iterations: u32) -> Hasher {
        Hasher {
            memory_kib,
            iterations,
            running: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            admitted: Arc::new(Semaphore::new(HASHES_AT_ONCE + HASHES_WAITING_MAX)),
            decoy: String::new(),
        }
    }

    pub(crate) async fn with_decoy(mut self, random: &Random) -> Result<Hasher, Fault> {
        self.decoy = self.hash(&crate::secret::new_token(random), random).await?;
        Ok(self)
    }

    /// The hash as PHC text, with a salt of its own.
    pub(crate) async fn hash(&self, password: &Secret, random: &Random) -> Result<String, Fault> {
        let (password, salt) = (password.clone(), random_bytes::<SALT_BYTES>(random));
        let (memory_kib, iterations) = (self.memory_kib, self.iterations);
        let work = move || {
            let params =
                Params::new(memory_kib, iterations, ARGON2_LANES, None).map_err(|e| e.to_string())?;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            let hash = argon2.hash_password_with_salt(password.reveal().as_bytes(), &salt);
            hash.map(|hash: PasswordHash| hash.to_string()).map_err(|error| error.to_string())
        };
        self.run(work).await?.map_err(|error| {
            Fault::new(
                codes::INTERNAL,
                format!("the password could not be hashed ({error}): report this fault"),
            )
        })
    }

    /// Whether the password belongs to the hash; `None` always takes as long and never does.
    pub(crate) async fn verify(&self, password: &Secret, hash: Option<String>) -> Result<bool, Fault> {
        let somebody = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.clone());
        // What is too long was never accepted; cutting it keeps a stranger from choosing how long we work.
        let fits = password.reveal().len() <= BYTES_MAX;
        let password = if fits { password.clone() } else { Secret::new("") };
        let work = move || {
            let parsed = PasswordHash::new(&hash);
            // The parameters are those of the hash, so old hashes stay good when the constants rise.
            parsed.is_ok_and(|hash| {
                Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok()
            })
        };
        Ok(self.run(work).await? && somebody && fits)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
        let busy = || {
            Fault::new(WAIT, "too many people are signing in: wait a moment and try again").arg("wait_s", 1)
        };
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| busy())?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| busy())?;
        let task = tokio::task::spawn_blocking(move || {
            let done = work();
            drop((running, admitted));
            done
        });
        task.await.map_err(|error| {
            Fault::new(codes::INTERNAL, format!("hashing a password broke off ({error}): look at the log"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_passwords_are_weak() {
        for (password, name) in [
            ("short", "anna"),
            ("九个字符的密码不够长", "张三丰"),
            ("correct horse", "anna"),
            ("Anna.Schmidt", "anna.schmidt"),
            ("tdimhcs.anna", "anna.schmidt"),
            ("Password123", "anna"),
            ("aaaaaaaaaaaa", "anna"),
            ("ababababab12", "anna"),
        ] {
            let strong = matches!(password, "九个字符的密码不够长" | "correct horse" | "ababababab12");
            assert_eq!(check_password(&Secret::new(password), name).is_ok(), strong, "{password}");
        }
        assert!(check_password(&Secret::new("x1".repeat(600) + "yz"), "anna").is_err());
    }

    #[test]
    fn the_list_is_long_enough_lower_case_and_sorted() {
        assert!(COMMON.iter().all(|word| *word == folded(word)));
        assert!(COMMON.is_sorted());
    }

    #[tokio::test]
    async fn hashes_are_argon2id_of_the_named_cost() {
        let random: Random = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let hasher = Hasher::new(ARGON2_MEMORY_KIB, ARGON2_ITERATIONS).with_decoy(&random).await.unwrap();
        let hash = hasher.hash(&Secret::new("correct horse"), &random).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        for (password, hash, expected) in [
            ("correct horse", Some(hash.clone()), true),
            ("correct hors", Some(hash.clone()), false),
            ("correct horse", None, false),
            ("correct horse", Some("no hash".into()), false),
        ] {
            assert_eq!(hasher.verify(&Secret::new(password), hash).await, Ok(expected));
        }
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away() {
        let random: Random = Arc::new(|bytes: &mut [u8]| bytes.fill(7));
        let hasher = Hasher::new(8, 1).with_decoy(&random).await.unwrap();
        let _all =
            hasher.admitted.clone().try_acquire_many_owned((HASHES_AT_ONCE + HASHES_WAITING_MAX) as u32);
        let refused = hasher.verify(&Secret::new("correct horse"), None).await.unwrap_err();
        assert_eq!(refused.code, WAIT);
    }
}
