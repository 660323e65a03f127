//! What is wrong with a scenario, shown at its place: one [`Problem`] a mistake, all of a file in one [`Report`].

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A text that problems point into: the scenario itself or its schema's file.
#[derive(Debug)]
pub struct Source {
    /// Where it comes from, as the user may open it.
    pub path: String,
    /// The text.
    pub text: String,
}

/// One mistake.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong, in one line.
    pub title: String,
    /// The text and the bytes of it to underline; `None` if the text could not be read at all.
    pub place: Option<(Arc<Source>, Range<usize>)>,
    /// What is said beside the underline; may be empty.
    pub label: String,
    /// Another place of the same text that has to do with it.
    pub related: Option<(Range<usize>, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

/// All mistakes of a scenario, in the order of their places.
#[derive(Clone, Debug)]
pub struct Report {
    problems: Vec<Problem>,
}

impl Report {
    /// A report of these problems.
    ///
    /// # Panics
    /// If there are none: that is not an error.
    pub fn new(mut problems: Vec<Problem>) -> Self {
        assert!(!problems.is_empty(), "a report without a problem is no error");
        problems.sort_by_key(|problem| problem.place.as_ref().map(|(_, span)| (span.start, span.end)));
        Report { problems }
    }

    /// The problems.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The report as text, with terminal colours if wanted. Ends with a line break.
    pub fn render(&self, coloured: bool) -> String {
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        let blocks: Vec<String> =
            self.problems.iter().map(|problem| renderer.render(&[group(problem)]).trim_end().to_owned()).collect();
        blocks.join("\n\n") + "\n"
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Report {}

fn group(problem: &Problem) -> Group<'_> {
    let mut group = Group::with_title(Level::ERROR.primary_title(&*problem.title));
    if let Some((source, span)) = &problem.place {
        let mut annotation = AnnotationKind::Primary.span(within(span, &source.text));
        if !problem.label.is_empty() {
            annotation = annotation.label(&*problem.label);
        }
        let mut snippet = Snippet::source(&*source.text).path(&*source.path).annotation(annotation);
        if let Some((span, label)) = &problem.related {
            snippet = snippet.annotation(AnnotationKind::Context.span(within(span, &source.text)).label(&**label));
        }
        group = group.element(snippet);
    }
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(&**help)),
        None => group,
    }
}

/// The span moved to lie within the text, on borders of characters: the renderer panics on others.
fn within(span: &Range<usize>, text: &str) -> Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}
