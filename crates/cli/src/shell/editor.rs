//! The line editor, as the shell uses it: statements of several lines, history, completion.

use std::borrow::Cow;
use std::env;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use reedline::{
    ColumnarMenu, Emacs, FileBackedHistory, History, KeyCode, KeyModifiers, MenuBuilder, Prompt,
    PromptEditMode, PromptHistorySearch, PromptHistorySearchStatus, Reedline, ReedlineEvent,
    ReedlineMenu, ValidationResult, Validator, default_emacs_keybindings,
};

use super::complete::Completions;
use super::highlight::{Colors, NoColors};
use super::text::is_whole;

/// Entries that the history keeps.
const HISTORY_ENTRIES: usize = 10_000;
const MENU: &str = "completions";

/// The editor; where the history cannot be kept, why.
pub(crate) fn editor(completions: Completions, has_colors: bool) -> (Reedline, Option<String>) {
    let mut keys = default_emacs_keybindings();
    let complete = ReedlineEvent::UntilFound(vec![
        ReedlineEvent::Menu(MENU.to_owned()),
        ReedlineEvent::MenuNext,
    ]);
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, complete);
    keys.add_binding(KeyModifiers::SHIFT, KeyCode::BackTab, ReedlineEvent::MenuPrevious);
    let menu = ColumnarMenu::default().with_name(MENU).with_marker("> ");
    let editor = Reedline::create()
        .with_validator(Box::new(Whole))
        .with_completer(Box::new(completions))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_ansi_colors(has_colors)
        .use_bracketed_paste(true);
    let editor = if has_colors {
        editor.with_highlighter(Box::new(Colors))
    } else {
        editor.with_highlighter(Box::new(NoColors))
    };
    match history() {
        Ok(history) => (editor.with_history(history), None),
        Err(reason) => (editor, Some(reason)),
    }
}

/// The history, in the user's directory for state.
fn history() -> Result<Box<dyn History>, String> {
    let path = history_path().ok_or("neither XDG_STATE_HOME nor HOME is set")?;
    let directory = path.parent().expect("a file in a directory");
    // What people type is theirs alone.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| format!("{}: {error}", directory.display()))?;
    let history = FileBackedHistory::with_file(HISTORY_ENTRIES, path.clone());
    let history = history.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Box::new(history))
}

fn history_path() -> Option<PathBuf> {
    let absolute =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state =
        absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")))?;
    Some(state.join("tidemill").join("history"))
}

/// A line is enough for a command; a statement goes on until its `;`.
struct Whole;

impl Validator for Whole {
    fn validate(&self, line: &str) -> ValidationResult {
        if line.trim_start().starts_with('.') || is_whole(line) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}

/// `tidemill>`, and below it `->` as wide.
pub(crate) struct Prompts;

impl Prompt for Prompts {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        "tidemill".into()
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        "".into()
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        "> ".into()
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        "      -> ".into()
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failing = match search.status {
            PromptHistorySearchStatus::Passing => "",
            PromptHistorySearchStatus::Failing => "nothing like ",
        };
        format!("({failing}{}) ", search.term).into()
    }
}
