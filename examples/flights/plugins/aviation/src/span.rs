//! Spans of time as people write them in options: `45m`, `10h`, `3d`.

/// The minutes of a whole number of minutes, hours or days; `None` for anything else.
pub fn minutes(span: &str) -> Option<i64> {
    let (digits, minutes_per_unit) = if let Some(digits) = span.strip_suffix('m') {
        (digits, 1)
    } else if let Some(digits) = span.strip_suffix('h') {
        (digits, 60)
    } else {
        (span.strip_suffix('d')?, 24 * 60)
    };
    // `parse` alone would take a sign.
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(minutes_per_unit)
}

#[cfg(test)]
mod tests {
    use super::minutes;

    #[test]
    fn minutes_hours_and_days_are_understood() {
        for (span, expected) in [("0m", 0), ("45m", 45), ("10h", 600), ("3d", 4320)] {
            assert_eq!(minutes(span), Some(expected), "{span}");
        }
    }

    #[test]
    fn anything_else_is_not_a_span() {
        for span in [
            "",
            "h",
            "10",
            "10 h",
            "-1h",
            "+1h",
            "1.5h",
            "10s",
            "1é",
            "9223372036854775807d",
        ] {
            assert_eq!(minutes(span), None, "{span}");
        }
    }
}
