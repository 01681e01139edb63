//! The environment as text. A variable that is not UTF-8 is not dropped but
//! marked, so that who needs it can say so.

use std::ffi::OsString;

use crate::config::ENVIRONMENT_PREFIX;
use crate::request::replay::VARIABLES;

/// Begins the value of a variable that is not UTF-8. No variable of a process can
/// have this byte.
const MARK: char = '\0';

/// The variables that are text. Of those that are not, settings and the variables
/// of a captured pod are kept, marked; others are left out.
pub fn text_of_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Vec<(String, String)> {
    let text = |(name, value): (OsString, OsString)| match (name.into_string(), value.into_string()) {
        (Ok(name), Ok(value)) => Some((name, value)),
        (name, _) => {
            let name = name.unwrap_or_else(|name| name.to_string_lossy().into_owned());
            let counts = name.starts_with(ENVIRONMENT_PREFIX) || VARIABLES.contains(&name.as_str());
            counts.then(|| (name, MARK.to_string()))
        }
    };
    variables.into_iter().filter_map(text).collect()
}

/// Whether a variable with this value was not UTF-8.
pub(crate) fn is_not_utf8(value: &str) -> bool {
    value.starts_with(MARK)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn only_variables_that_are_read_are_marked() {
        let bad = || OsString::from_vec(vec![b'a', 0xff]);
        let found = text_of_environment([
            ("HOME".into(), bad()),
            ("PATH".into(), "/bin".into()),
            ("REACTOR__BUILDS__TIME".into(), bad()),
            ("USER_PARAMS".into(), bad()),
            (OsString::from_vec([b"REACTOR__\xff".as_slice()].concat()), "x".into()),
        ]);
        let shown: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), is_not_utf8(value))).collect();
        let lossy = "REACTOR__\u{fffd}";
        assert_eq!(
            shown,
            [("PATH", false), ("REACTOR__BUILDS__TIME", true), ("USER_PARAMS", true), (lossy, true)]
        );
    }
}
