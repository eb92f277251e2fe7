//! What stands between the brackets of a window, in the forms of the engines that have them: `(SIZE 1 MINUTE,
//! ADVANCE BY 10 SECONDS)`, `(TABLE t, DESCRIPTOR(c), …)`, `(DATA => TABLE t, …)`, `(t, c, …)`.

use sqlparser::tokenizer::{Span, Token, TokenWithSpan};

use crate::scan::{is_token, is_word};

/// An argument that a window does not take: where, why, and what to write.
pub(crate) struct Refused {
    pub(crate) place: Option<Span>,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// The arguments of a window table function, in the order of those of `GROUP BY`.
pub(crate) struct TableArguments {
    /// A name, or a path.
    pub(crate) table: TokenWithSpan,
    /// The column of event times.
    pub(crate) time: TokenWithSpan,
    pub(crate) durations: Vec<Vec<TokenWithSpan>>,
    /// Keys that sessions are made for, where they are named.
    pub(crate) partition_by: Vec<TokenWithSpan>,
}

fn refuse<T>(token: Option<&TokenWithSpan>, message: &str, hint: &str) -> Result<T, Refused> {
    Err(Refused {
        place: token.map(|token| token.span),
        message: message.to_owned(),
        hint: hint.to_owned(),
    })
}

/// The arguments of a window clause, brackets included, without the words that name them in ksqlDB.
pub(crate) fn clause_arguments(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, Refused> {
    let is_whole = is_token(tokens, 0, &Token::LParen)
        && is_token(tokens, tokens.len().saturating_sub(1), &Token::RParen);
    if !is_whole {
        return Ok(tokens.to_vec());
    }
    let mut kept = vec![tokens[0].clone()];
    for (index, piece) in pieces(&tokens[1..tokens.len() - 1]).into_iter().enumerate() {
        let rest = match piece {
            _ if is_word(piece, 0, "RETENTION") && piece.len() > 1 => {
                let hint = "leave it out: rows of a closed window leave, and are not kept";
                return refuse(piece.first(), "not supported: RETENTION of a window", hint);
            }
            _ if is_word(piece, 0, "GRACE") && is_word(piece, 1, "PERIOD") => {
                let hint = "the source says how late records may be: WATERMARK FOR time AS time - INTERVAL '10' SECOND \
                            waits for them, and 'allowed.lateness' = '10s' corrects windows that have closed";
                return refuse(piece.first(), "not supported: GRACE PERIOD of a window", hint);
            }
            _ if is_word(piece, 0, "SIZE") && piece.len() > 1 => &piece[1..],
            _ if is_word(piece, 0, "ADVANCE") && is_word(piece, 1, "BY") => &piece[2..],
            _ => piece,
        };
        if index > 0 {
            kept.push(TokenWithSpan::new(Token::Comma, tokens[0].span));
        }
        kept.extend_from_slice(rest);
    }
    kept.push(tokens[tokens.len() - 1].clone());
    Ok(kept)
}

/// The arguments of a window table function, brackets left out.
pub(crate) fn table_arguments(
    name: &str,
    tokens: &[TokenWithSpan],
) -> Result<TableArguments, Refused> {
    let durations: &[&str] = match name {
        "TUMBLE" => &["SIZE"],
        "HOP" => &["SLIDE", "SIZE"],
        "CUMULATE" => &["STEP", "SIZE"],
        _ => &["GAP"],
    };
    let form = format!(
        "write FROM TABLE({name}(TABLE name, DESCRIPTOR(time){}))",
        durations
            .iter()
            .map(|duration| format!(", {}", duration.to_lowercase()))
            .collect::<String>()
    );
    let mut all = pieces(tokens).into_iter().peekable();
    let is_named = all.peek().is_some_and(|piece| is_token(piece, 1, &Token::RArrow));
    let arguments = match is_named {
        true => named(all.collect(), durations, &form)?,
        false => all.collect(),
    };
    let mut arguments = arguments.into_iter();
    let (table, mut partition_by) = table_of(arguments.next().unwrap_or_default(), name, &form)?;
    let mut time = arguments.next().unwrap_or_default();
    // `PARTITION BY a, b`: what stands before the event time.
    while !partition_by.is_empty()
        && !is_word(time, 0, "DESCRIPTOR")
        && arguments.len() > durations.len()
    {
        partition_by.extend(time.first().cloned());
        time = arguments.next().unwrap_or_default();
    }
    let durations_given: Vec<Vec<TokenWithSpan>> =
        arguments.map(<[TokenWithSpan]>::to_vec).collect();
    if durations_given.len() > durations.len() {
        let hint = "windows are aligned to 1970-01-01; leave the offset out";
        let at = durations_given[durations.len()].first();
        return refuse(at, &format!("not supported: an offset of {name}"), hint);
    }
    if durations_given.len() < durations.len() {
        return refuse(None, &format!("{name} lacks an argument"), &form);
    }
    let time = time_of(time, &form)?;
    Ok(TableArguments { table, time, durations: durations_given, partition_by })
}

/// The table, and the keys behind `PARTITION BY`.
fn table_of(
    piece: &[TokenWithSpan],
    name: &str,
    form: &str,
) -> Result<(TokenWithSpan, Vec<TokenWithSpan>), Refused> {
    let piece = if is_word(piece, 0, "TABLE") { &piece[1..] } else { piece };
    let Some(table) = piece.first() else {
        return refuse(None, &format!("{name} lacks its table"), form);
    };
    if table.token == Token::LParen {
        let hint = format!(
            "name the query, and the name here: WITH q AS (…) SELECT … FROM TABLE({name}(TABLE q, …))"
        );
        return refuse(Some(table), &format!("not supported: a query in {name}"), &hint);
    }
    let rest = &piece[1..];
    let keys = match rest {
        [] => Vec::new(),
        _ if is_word(rest, 0, "PARTITION") && is_word(rest, 1, "BY") => {
            let keys = rest[2..].iter().filter(|token| {
                !matches!(token.token, Token::Comma | Token::LParen | Token::RParen)
            });
            keys.cloned().collect()
        }
        _ => return refuse(rest.first(), &format!("{name} takes a table by its name"), form),
    };
    if name != "SESSION" && !keys.is_empty() {
        let hint = "leave PARTITION BY out, and name the keys in GROUP BY";
        return refuse(rest.first(), &format!("{name} takes no PARTITION BY"), hint);
    }
    Ok((table.clone(), keys))
}

/// The column of event times: `DESCRIPTOR(c)`, or `c`.
fn time_of(piece: &[TokenWithSpan], form: &str) -> Result<TokenWithSpan, Refused> {
    let column = match piece {
        [column] => column,
        [_, open, column, close]
            if is_word(piece, 0, "DESCRIPTOR")
                && open.token == Token::LParen
                && close.token == Token::RParen =>
        {
            column
        }
        _ => {
            return refuse(
                piece.first(),
                "DESCRIPTOR takes the name of the event time's column",
                form,
            );
        }
    };
    match column.token {
        Token::Word(_) => Ok(column.clone()),
        _ => refuse(Some(column), "a window looks at a column of event times", form),
    }
}

/// Arguments by name, `DATA => …`, in the order that they have without.
fn named<'t>(
    pieces: Vec<&'t [TokenWithSpan]>,
    durations: &[&str],
    form: &str,
) -> Result<Vec<&'t [TokenWithSpan]>, Refused> {
    let names: Vec<&str> =
        ["DATA", "TIMECOL"].into_iter().chain(durations.iter().copied()).collect();
    let mut ordered: Vec<Option<&[TokenWithSpan]>> = vec![None; names.len()];
    for piece in pieces {
        let place = names.iter().position(|name| is_word(piece, 0, name));
        match place.filter(|_| is_token(piece, 1, &Token::RArrow)) {
            Some(place) => ordered[place] = Some(&piece[2..]),
            None if is_word(piece, 0, "OFFSET") => {
                let hint = "windows are aligned to 1970-01-01; leave the offset out";
                return refuse(piece.first(), "not supported: OFFSET of a window", hint);
            }
            None => {
                let hint = format!("arguments here are {}", names.join(", "));
                return refuse(piece.first(), "unknown argument of a window", &hint);
            }
        }
    }
    match ordered.iter().position(Option::is_none) {
        Some(missing) => refuse(None, &format!("the argument {} is missing", names[missing]), form),
        None => Ok(ordered.into_iter().flatten().collect()),
    }
}

/// What commas outside of brackets part.
fn pieces(tokens: &[TokenWithSpan]) -> Vec<&[TokenWithSpan]> {
    let mut depth = 0_usize;
    tokens
        .split(|token| {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen => depth = depth.saturating_sub(1),
                _ => {}
            }
            token.token == Token::Comma && depth == 0
        })
        .collect()
}
