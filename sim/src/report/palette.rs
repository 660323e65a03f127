//! Colours, or none.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// How the parts of a report look. The default has no colours at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    /// What holds.
    pub good: Style,
    /// What is violated.
    pub bad: Style,
    /// Faults, and what is vacuous.
    pub fault: Style,
    /// What recedes.
    pub dim: Style,
    /// What stands out.
    pub strong: Style,
}

impl Palette {
    /// With colours.
    pub fn coloured() -> Self {
        let colour = |colour: AnsiColor| colour.on_default();
        Palette {
            good: colour(AnsiColor::Green),
            bad: colour(AnsiColor::Red).bold(),
            fault: colour(AnsiColor::Yellow),
            dim: Style::new().dimmed(),
            strong: Style::new().bold(),
        }
    }
}

/// Text in a style.
pub(super) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}
