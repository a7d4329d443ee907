//! Colours, if there is somebody to see them. Pure.

/// Puts words in colour, or leaves them alone.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// In colour or not.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        Self { colour }
    }

    pub(super) fn good(self, text: &str) -> String {
        self.paint("32;1", text)
    }

    pub(super) fn bad(self, text: &str) -> String {
        self.paint("31;1", text)
    }

    pub(super) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
