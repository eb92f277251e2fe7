//! A line of JSON looked at one byte after the other: what a record has to be whoever asks for what, and its
//! members. What a value has to be is for `serde_json` to say.

/// Brackets nest so deep at most, the record's own among them.
const DEPTH_MAX: usize = 127;

/// A token: a bracket, colon or comma, a string, or a run of any other bytes but white space.
type Token<'a> = &'a str;

/// The members of the object that a line is, each with its unescaped key and the text of its value, in order.
/// `None` where it is none:
///
/// - the line is not UTF-8, has a control character that is not white space, or one in a string, a string
///   without an end, or a backslash outside of strings;
/// - it is not `{`, members with a comma between each two, and `}`, where a member is a string, a colon, and a
///   string, a run, or brackets and whatever is between them;
/// - brackets have no counterparts, or nest too deep, or a key has an escape that is none.
pub(crate) fn members(line: &[u8]) -> Option<Vec<(String, String)>> {
    let line = str::from_utf8(line).ok()?;
    let tokens = tokens(line)?;
    let mut members = Vec::new();
    let mut rest = tokens.strip_prefix(&["{"])?;
    if rest == ["}"] {
        return Some(members);
    }
    loop {
        let (&[key, colon], behind) = rest.split_first_chunk()?;
        if !key.starts_with('"') || colon != ":" {
            return None;
        }
        let key = serde_json::from_str(key).ok()?;
        let len = value_len(behind)?;
        let (first, last) = (behind[0], behind[len - 1]);
        let start = first.as_ptr() as usize - line.as_ptr() as usize;
        let end = last.as_ptr() as usize - line.as_ptr() as usize + last.len();
        members.push((key, line[start..end].to_owned()));
        let (&stop, behind) = behind[len..].split_first()?;
        match stop {
            "," => rest = behind,
            "}" if behind.is_empty() => return Some(members),
            _ => return None,
        }
    }
}

/// Tokens of the value in front of these.
fn value_len(tokens: &[Token<'_>]) -> Option<usize> {
    let mut open: Vec<Token<'_>> = Vec::new();
    for (index, &token) in tokens.iter().enumerate() {
        match token {
            "{" | "[" => {
                open.push(token);
                if open.len() >= DEPTH_MAX {
                    return None;
                }
            }
            "}" | "]" => {
                let counterpart = if token == "}" { "{" } else { "[" };
                open.pop().filter(|open| *open == counterpart)?;
            }
            ":" | "," if open.is_empty() => return None,
            _ => {}
        }
        if open.is_empty() {
            return Some(index + 1);
        }
    }
    None
}

fn tokens(line: &str) -> Option<Vec<Token<'_>>> {
    let bytes = line.as_bytes();
    let is_mark = |byte: u8| b"{}[]:,".contains(&byte);
    let is_blank = |byte: u8| b" \t\r".contains(&byte);
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            byte if is_blank(byte) => continue,
            byte if is_mark(byte) => {}
            b'"' => loop {
                let byte = *bytes.get(at)?;
                at += 1;
                match byte {
                    b'"' => break,
                    ..b' ' => return None,
                    // What is escaped is passed over, but for a control character.
                    b'\\' if *bytes.get(at)? >= b' ' => at += 1,
                    _ => {}
                }
            },
            _ => {
                at = start;
                while at < bytes.len() && !is_mark(bytes[at]) && !is_blank(bytes[at]) {
                    match bytes[at] {
                        b'"' => break,
                        b'\\' | ..b' ' => return None,
                        _ => at += 1,
                    }
                }
            }
        }
        tokens.push(&line[start..at]);
    }
    Some(tokens)
}
