//! What is wrong with what was seen.

use serde::Deserialize;

/// Contrast of text that WCAG 2 asks for at level AA.
const CONTRAST: f64 = 4.5;
/// Smallest text, in CSS pixels: of the page, and in drawings once they are scaled down to a phone.
const TEXT_PX: f64 = 12.0;
const DRAWING_PX: f64 = 8.5;

/// How wide the page was shown and in which colour scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct View {
    /// In CSS pixels.
    pub(crate) width: u32,
    /// Whether the reader prefers a dark page.
    pub(crate) dark: bool,
}

impl View {
    /// The colour scheme as CSS calls it.
    pub(crate) fn scheme(self) -> &'static str {
        if self.dark { "dark" } else { "light" }
    }
}

/// What the probe reports.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Seen {
    /// Of the frame, in CSS pixels.
    pub(crate) width: f64,
    /// Of the page: more than the frame's where the page scrolls sideways.
    pub(crate) scroll: f64,
    /// The least contrast of a text with what is behind it.
    pub(crate) contrast: f64,
    /// The text of least contrast.
    pub(crate) faint: String,
    /// The smallest text in CSS pixels.
    pub(crate) text: f64,
    /// The smallest text of a drawing as it is scaled.
    pub(crate) drawing: f64,
    /// Whether the page is dark.
    pub(crate) dark: bool,
    /// Things that reach beyond the page.
    pub(crate) wide: Vec<String>,
    /// Words in table cells too narrow for them.
    pub(crate) crushed: usize,
    /// What the page loaded.
    pub(crate) loaded: Vec<String>,
    /// Its systems.
    pub(crate) sections: Vec<Section>,
}

/// One system's part.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Section {
    /// The system.
    pub(crate) id: String,
    /// How many of its drawings are there and fit.
    pub(crate) drawings: usize,
}

/// What of any report a reader could not read.
pub(crate) fn legible(seen: &Seen, view: View) -> Vec<String> {
    let mut faults = Vec::new();
    if (seen.width - f64::from(view.width)).abs() > 0.5 {
        faults.push(format!("the page was seen at {} px", seen.width));
    }
    if seen.scroll > seen.width {
        faults.push(format!("the page is {} px wide and scrolls sideways", seen.scroll));
    }
    faults.extend(seen.wide.iter().map(|what| format!("wider than the page: {what}")));
    if seen.dark != view.dark {
        faults.push("the page does not follow the colour scheme".to_owned());
    }
    if seen.contrast < CONTRAST {
        faults.push(format!("contrast {:.2}, less than {CONTRAST}: {}", seen.contrast, seen.faint));
    }
    if seen.text < TEXT_PX {
        faults.push(format!("text of {} px", seen.text));
    }
    if seen.drawing < DRAWING_PX {
        faults.push(format!("text of {:.1} px in a drawing", seen.drawing));
    }
    if seen.crushed > 0 {
        faults.push(format!("{} cells are too narrow for their words", seen.crushed));
    }
    faults.extend(seen.loaded.iter().map(|what| format!("the page loads {what}")));
    faults.into_iter().map(|fault| format!("{} px, {}: {fault}", view.width, view.scheme())).collect()
}

/// What of the real report is missing.
pub(crate) fn complete(seen: &Seen, systems: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for id in systems {
        match seen.sections.iter().find(|s| s.id == *id) {
            None => faults.push(format!("{id} has no section")),
            Some(s) if s.drawings == 0 => faults.push(format!("{id} has no drawing that fits a phone")),
            Some(_) => {}
        }
    }
    let strangers = seen.sections.iter().filter(|s| !systems.contains(&s.id));
    faults.extend(strangers.map(|s| format!("the section {:?} is of no listed system", s.id)));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: View = View { width: 390, dark: false };

    fn good() -> Seen {
        Seen {
            width: 390.0,
            scroll: 390.0,
            contrast: 7.0,
            faint: "P x".into(),
            text: 14.0,
            drawing: 9.0,
            dark: false,
            wide: vec![],
            crushed: 0,
            loaded: vec![],
            sections: vec![Section { id: "26-trsa".into(), drawings: 1 }],
        }
    }

    #[test]
    fn whatever_cannot_be_read_is_a_fault() {
        assert!(legible(&good(), PHONE).is_empty());
        let worse: [fn(&mut Seen); 9] = [
            |s| s.scroll = 400.0,
            |s| s.width = 500.0,
            |s| s.contrast = 4.4,
            |s| s.text = 11.0,
            |s| s.drawing = 8.0,
            |s| s.dark = true,
            |s| s.wide.push("TABLE".into()),
            |s| s.crushed = 1,
            |s| s.loaded.push("https://x".into()),
        ];
        for (i, worsen) in worse.iter().enumerate() {
            let mut seen = good();
            worsen(&mut seen);
            assert_eq!(legible(&seen, PHONE).len(), 1, "{i}");
        }
        assert_eq!(legible(&good(), View { dark: true, ..PHONE }).len(), 1);
    }

    #[test]
    fn every_system_is_there_with_a_drawing() {
        let systems = ["26-trsa".to_owned()];
        assert!(complete(&good(), &systems).is_empty());
        assert_eq!(complete(&good(), &[]).len(), 1, "a section of no system");
        let mut seen = good();
        seen.sections[0].drawings = 0;
        assert_eq!(complete(&seen, &systems).len(), 1);
        seen.sections.clear();
        assert_eq!(complete(&seen, &systems).len(), 1);
    }
}
