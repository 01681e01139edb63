//! Writing values so that the engine reads them back unchanged.
//!
//! The engine's shell lexer removes quotes, expands `$` and takes the escape
//! character away in front of `"`, `$` and itself; [`super::expand`] is the other
//! direction.

/// A value in double quotes, in which nothing is expanded. The value must have no
/// line breaks: an instruction cannot hold any.
pub(super) fn double(value: &str, escape: char) -> String {
    let mut quoted = String::with_capacity(value.len() + 2);
    quoted.push('"');
    for c in value.chars() {
        if c == '"' || c == '$' || c == escape {
            quoted.push(escape);
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::expand::{Missing, expand},
        *,
    };

    #[test]
    fn what_the_engine_would_change_is_escaped() {
        // LBL-17: the dollar was not escaped there, so that the engine expanded it.
        let cases = [
            ("V \"q\" \\ $x", '\\', "\"V \\\"q\\\" \\\\ \\$x\""),
            ("V \"q\" \\ $x", '`', "\"V `\"q`\" \\ `$x\""),
            ("", '\\', "\"\""),
            ("it's `x`", '\\', "\"it's `x`\""),
        ];
        for (value, escape, expected) in cases {
            assert_eq!(double(value, escape), expected);
        }
    }

    proptest! {
        #[test]
        fn the_engine_reads_back_what_was_meant(value in "\\PC*", windows in any::<bool>()) {
            let escape = if windows { '`' } else { '\\' };
            let read = expand(&double(&value, escape), escape, Missing::Error, &|_| None);
            prop_assert_eq!(read, Ok(value));
        }
    }
}
