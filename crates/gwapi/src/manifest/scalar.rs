//! What an unquoted YAML scalar means: the same as to `kubectl`.
//!
//! `kubectl` reads manifests with the rules of YAML 1.1 (`on` and `yes` are booleans, `0644` is
//! octal), not of YAML 1.2. A file must mean the same to a cluster and to us, so these rules are
//! ours too, and `name: on` is refused here as it is there.

use super::tree::Value;

/// Reads an unquoted scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            return Value::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            return Value::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        _ => {}
    }
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Value::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    number(negative, digits).unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// The longest spelling that is looked at as a number; longer ones are text. The longest exact
/// decimal of a double has fewer digits.
const MAX_NUMBER_LENGTH: usize = 1100;

fn number(negative: bool, digits: &str) -> Option<Value> {
    if digits.len() > MAX_NUMBER_LENGTH
        || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    {
        return None;
    }
    let digits = digits.replace('_', "");
    let (radix, body) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits.as_str()),
    };
    if !body.is_empty()
        && body.chars().all(|c| c.is_digit(radix))
        && let Ok(magnitude) = i128::from_str_radix(body, radix)
    {
        let value = if negative { -magnitude } else { magnitude };
        if let Ok(value) = i64::try_from(value) {
            return Some(Value::Int(value));
        }
    }
    if !is_decimal(&digits) {
        return None;
    }
    let magnitude: f64 = digits.parse().ok()?;
    Some(Value::Float(if negative { -magnitude } else { magnitude }))
}

/// Digits, at most one point, an optional exponent.
fn is_decimal(text: &str) -> bool {
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_is_one = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_is_one
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(format!("{:?}", plain(text)), expected, "{text}");
    }

    #[test]
    fn scalars_mean_what_they_mean_to_kubectl() {
        for (text, expected) in [
            ("", "Null"),
            ("~", "Null"),
            ("null", "Null"),
            ("nUll", "Text(\"nUll\")"),
            ("on", "Bool(true)"),
            ("No", "Bool(false)"),
            ("y", "Bool(true)"),
            ("80", "Int(80)"),
            ("-80", "Int(-80)"),
            ("+80", "Int(80)"),
            ("1_000", "Int(1000)"),
            ("0x1F", "Int(31)"),
            ("0b101", "Int(5)"),
            ("0o17", "Int(15)"),
            ("0644", "Int(420)"),
            ("0", "Int(0)"),
            ("08", "Float(8.0)"),
            ("1.5", "Float(1.5)"),
            ("1.", "Float(1.0)"),
            (".5", "Float(0.5)"),
            ("1e3", "Float(1000.0)"),
            ("-.inf", "Float(-inf)"),
            (".nan", "Float(NaN)"),
            ("9223372036854775807", "Int(9223372036854775807)"),
            ("9223372036854775808", "Float(9.223372036854776e18)"),
            ("-9223372036854775808", "Int(-9223372036854775808)"),
            ("1.2.3.4", "Text(\"1.2.3.4\")"),
            ("-", "Text(\"-\")"),
            (".", "Text(\".\")"),
            ("1e", "Text(\"1e\")"),
            ("e1", "Text(\"e1\")"),
            ("0x", "Text(\"0x\")"),
            ("--1", "Text(\"--1\")"),
            ("infinity", "Text(\"infinity\")"),
            ("10:30", "Text(\"10:30\")"),
            ("2026-01-01", "Text(\"2026-01-01\")"),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn a_number_of_endless_digits_is_text() {
        check(&"9".repeat(2000), &format!("Text({:?})", "9".repeat(2000)));
    }
}
