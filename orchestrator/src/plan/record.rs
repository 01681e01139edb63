//! What a step may record: a bounded number of bytes of JSON.
//!
//! The journal refuses more, in words that help nobody to correct their
//! repository. Steps whose outputs grow with what a repository asks for measure
//! them first, and say what there is too much of.

use common::flow::step::MAX_OUTPUT_BYTES;
use serde::Serialize;

/// Looks whether a step may record an output.
///
/// # Errors
/// It may not: its size and the limit, in words.
pub(super) fn check_record<T: Serialize>(output: &T) -> Result<(), String> {
    let bytes = serde_json::to_vec(output).map_or(usize::MAX, |json| json.len());
    if bytes <= MAX_OUTPUT_BYTES {
        return Ok(());
    }
    Err(format!("{bytes} bytes in the build's record; at most {MAX_OUTPUT_BYTES} are kept"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_adds_is_counted() {
        assert!(check_record(&"x".repeat(MAX_OUTPUT_BYTES - 2)).is_ok());
        let quotes = check_record(&"\"".repeat(MAX_OUTPUT_BYTES / 2));
        assert_eq!(quotes.unwrap_err(), "262146 bytes in the build's record; at most 262144 are kept");
    }
}
