//! `JSON_VALUE`. Numbers are as written, where DuckDB writes them anew.

use DataType::Varchar;

use super::*;

#[test]
fn values() {
    check_call(
        Function::JsonValue,
        Varchar,
        &[
            (&[s(r#"{"a":{"b":[1,{"x y":"q"}]}}"#), s("$.a.b[1]['x y']")], "q"),
            (&[s(r#"{"a":[1,2]}"#), s("$.a[-1]")], "2"),
            (&[s(r#"{"a":[1,2]}"#), s("$.a[-3]")], "NULL"),
            (&[s(r#"{"a":1.50}"#), s("$.a")], "1.50"),
            (&[s(r#"{"a":1e3}"#), s("$.a")], "1e3"),
            (&[s(r#"{"a":12345678901234567890123}"#), s("$.a")], "12345678901234567890123"),
            (&[s(r#"{"a":{}}"#), s("$.a")], "NULL"),
            (&[s(r#"{"a":[]}"#), s("$.a")], "NULL"),
            (&[s(r#"{"a":null}"#), s("$.a")], "NULL"),
            (&[s(r#"{"a":true}"#), s("$.a")], "true"),
            (&[s(r#"{"a":1,"a":2}"#), s("$.a")], "1"),
            (&[s(r#""x""#), s("$")], "x"),
            (&[s(r#" {"a" : "\u00e9\n" } "#), s("$.a")], "é\n"),
            (&[s(r#"{"\u0061":1}"#), s("$.a")], "1"),
            (&[s("[10,20]"), s("$[1]")], "20"),
            (&[s("[10,20]"), s("$[2]")], "NULL"),
            (&[s("[]"), s("$[0]")], "NULL"),
            (&[s("[]"), s("$[-1]")], "NULL"),
            (&[s("5"), s("$.a")], "NULL"),
            (&[n(Varchar), s("$")], "NULL"),
            (&[s(r#"{"a":"#), s("$.a")], "bad: invalid JSON"),
            (&[s(r#"{"a":1}x"#), s("$.a")], "bad: invalid JSON"),
            (&[s(""), s("$")], "bad: invalid JSON"),
            (&[s("[1,]"), s("$[0]")], "bad: invalid JSON"),
            (&[s("01"), s("$")], "bad: invalid JSON"),
            (&[s("[1}"), s("$")], "bad: invalid JSON"),
        ],
    );
}

/// The judge of what JSON is: the library, where it and RFC 8259 agree (depth is ours alone).
#[test]
fn what_is_json_is_what_the_library_says() {
    let pieces = [
        "{", "}", "[", "]", ",", ":", "\"a\"", "1", "-0.5e+7", "true", "null", " ", "\"\\u00", ".",
    ];
    let mut state = 7_u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..(state >> 60) {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[usize::try_from((state >> 33) % 14).unwrap()]);
        }
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let expected = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        let value = call(
            Function::JsonValue,
            vec![Expr::literal(s(&text)), Expr::literal(s("$"))],
            Varchar,
        );
        assert_eq!(evaluate_constant(&value, &context()).is_ok(), expected, "{text}");
    }
}

#[test]
fn depth_costs_no_stack() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    check_call(Function::JsonValue, Varchar, &[(&[s(&deep), s("$[0][0]")], "NULL")]);
}
