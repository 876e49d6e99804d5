//! `.env` as people write it, in the stricter spelling that dotenvy reads.
//!
//! The files of the older module were read by python-dotenv: a value without quotes may hold spaces and `$`, which stand for
//! themselves; only `${NAME}` is another variable's value. dotenvy would take `$NAME` for a variable and refuse the spaces.

/// The same file with its bare values quoted, and without lines that set nothing: a name that is none, or no name at all. Other
/// programs' lines may stand beside ours.
pub(super) fn spelled(text: &str) -> String {
    let mut lines = Vec::new();
    let mut open = None;
    // Some editors begin a file with a mark of its encoding.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for line in text.lines() {
        if let Some(quote) = open {
            open = Some(quote).filter(|quote| !line.contains(*quote));
            lines.push(line.to_owned());
            continue;
        }
        let Some((key, given)) = line.split_once('=').filter(|(key, _)| is_name(key)) else {
            // Empty, so that lines keep their numbers.
            lines.push(String::new());
            continue;
        };
        let value = given.trim();
        let quoted = value.chars().next().filter(|first| matches!(first, '\'' | '"'));
        lines.push(match quoted {
            Some(quote) => {
                open = Some(quote).filter(|quote| !value[1..].contains(*quote));
                let value = if quote == '"' { dollars(value) } else { value.to_owned() };
                format!("{key}={value}")
            }
            None if is_comment(given) => format!("{key}="),
            None => format!("{key}={}", bare(value)),
        });
    }
    lines.join("\n")
}

/// Whether this is a name that a value can be given to.
fn is_name(key: &str) -> bool {
    let key = key.trim();
    let exported = key.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let key = exported.map_or(key, str::trim_start);
    let letters = |at: usize, letter: char| {
        letter == '_'
            || letter.is_ascii_alphabetic()
            || at > 0 && (letter == '.' || letter.is_ascii_digit())
    };
    !key.is_empty() && key.chars().enumerate().all(|(at, letter)| letters(at, letter))
}

/// Whether nothing but a comment stands behind the `=`: it has a space before or behind its `#`, which a password has not.
fn is_comment(given: &str) -> bool {
    let Some(words) = given.trim_start().strip_prefix('#') else { return false };
    given.starts_with([' ', '\t']) || words.trim_end().is_empty() || words.starts_with([' ', '\t'])
}

/// A value without quotes, quoted; a comment after it goes.
fn bare(value: &str) -> String {
    let comment = value.find(" #").or_else(|| value.find("\t#"));
    let value = comment.map_or(value, |at| &value[..at]).trim_end();
    if value.is_empty() || !value.contains(['\'', '{', '\\']) {
        return format!("'{value}'");
    }
    format!("\"{}\"", dollars(&value.replace('\\', "\\\\").replace('"', "\\\"")))
}

/// `$` that stands for itself: all but those of `${NAME}`.
fn dollars(value: &str) -> String {
    let mut spelled = String::with_capacity(value.len());
    let mut characters = value.chars().peekable();
    let mut escaped = false;
    while let Some(character) = characters.next() {
        if character == '$' && !escaped && characters.peek() != Some(&'{') {
            spelled.push('\\');
        }
        escaped = character == '\\' && !escaped;
        spelled.push(character);
    }
    spelled
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        dotenvy::from_read_iter(spelled(text).as_bytes()).map(Result::unwrap).collect()
    }

    fn value(text: &str) -> String {
        read(&format!("K={text}"))[0].1.clone()
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_refused(text in "(.|\\n){0,80}", hostile in "[A-Z='\"$ {}\\\\#\\n]{0,60}") {
            for text in [text, hostile] {
                for line in dotenvy::from_read_iter(spelled(&text).as_bytes()) {
                    // Either way it says so; nothing panics.
                    let _ = line;
                }
            }
        }

        #[test]
        fn a_bare_password_stands_for_itself(password in "[!-~&&[^'\"#{]]([ -~&&[^#{]]{0,20}[!-~&&[^#{]])?") {
            prop_assert_eq!(value(&password), password);
        }
    }

    #[test]
    fn bare_values_stand_for_themselves() {
        assert_eq!(value("pa$HOME#x"), "pa$HOME#x");
        assert_eq!(value("pa$HOME x y"), "pa$HOME x y");
        assert_eq!(value("a, b # a comment"), "a, b");
        assert_eq!(value("it's \"so\" \\ $5"), "it's \"so\" \\ $5");
        assert_eq!(value("   # nothing"), "");
        assert_eq!(value("#1 secret"), "#1 secret");
        assert_eq!(value("# nothing"), "");
        assert_eq!(value("#"), "");
        assert_eq!(value(""), "");
        assert_eq!(value("{x}$"), "{x}$");
    }

    #[test]
    fn lines_that_set_nothing_are_left_out() {
        let text = "MY-KEY=x\nLONELY\nKEY: value\n中文键=1\n9=9\n[part]\n=x\nGOOD=1\n";
        assert_eq!(read(text), [("GOOD".to_owned(), "1".to_owned())]);
        assert_eq!(spelled(text).lines().count(), text.lines().count());
    }

    #[test]
    fn quotes_and_other_variables_work_as_ever() {
        assert_eq!(value("'pa$HOME # x'"), "pa$HOME # x");
        assert_eq!(value("\"pa$HOME # x\""), "pa$HOME # x");
        assert_eq!(value("\"a\\\"b\""), "a\"b");
        let text = "# a comment = not\nexport HOST=db\n\nURL=http://${HOST}/x\nLONG=\"one\ntwo=2\"\nLAST=1\n";
        let pairs = read(&format!("\u{feff}{text}"));
        assert_eq!(read("\texport\tA = 1\t# x"), [("A".to_owned(), "1".to_owned())]);
        let pair = |at: usize| (pairs[at].0.as_str(), pairs[at].1.as_str());
        assert_eq!(pair(0), ("HOST", "db"));
        assert_eq!(pair(1), ("URL", "http://db/x"));
        assert_eq!(pair(2), ("LONG", "one\ntwo=2"));
        assert_eq!(pair(3), ("LAST", "1"));
    }
}
