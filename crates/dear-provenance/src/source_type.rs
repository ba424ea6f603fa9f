//! IPTC's Digital Source Type: a vocabulary of where pictures come from, as XMP and C2PA use it.

use crate::finding::{Declares, Finding};
use crate::generator::names;
use crate::line::Details;
use crate::xmp::{Property, Xmp};

/// A term of the vocabulary.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) name: &'static str,
    pub(crate) meaning: &'static str,
    /// None where the definition leaves open whether a generative model had a part.
    pub(crate) declares: Option<Declares>,
}

const fn term(name: &'static str, meaning: &'static str, declares: Option<Declares>) -> Term {
    Term { name, meaning, declares }
}

/// <https://cv.iptc.org/newscodes/digitalsourcetype/> of 2024-09-17 with its retired terms, and the two that C2PA adds
/// (Technical Specification 2.2, 18.15.4.5). `algorithmicMedia` is by definition *not* made by a trained model; a composite of
/// captures is no capture as a whole.
const VOCABULARY: [Term; 21] = {
    use Declares::{Captured, Generated, PartlyGenerated};
    [
        term("trainedAlgorithmicMedia", "made by a generative model", Some(Generated)),
        term("compositeWithTrainedAlgorithmicMedia", "edited with a generative model", Some(PartlyGenerated)),
        term("compositeSynthetic", "put together, in part by a generative model", Some(PartlyGenerated)),
        term("digitalCapture", "taken by a digital camera", Some(Captured)),
        term("computationalCapture", "taken by a digital camera from several frames", Some(Captured)),
        term("negativeFilm", "scanned from a negative", Some(Captured)),
        term("positiveFilm", "scanned from a positive", Some(Captured)),
        term("print", "scanned from a print", Some(Captured)),
        term("compositeCapture", "put together from pictures that were taken", None),
        term("composite", "put together; a generative model may or may not have had a part", None),
        term("humanEdits", "edited by people, without a generative model", None),
        term("minorHumanEdits", "edited a little by people", None),
        term("algorithmicallyEnhanced", "changed by an algorithm", None),
        term("algorithmicMedia", "made by an algorithm that learned from no data", None),
        term("digitalCreation", "made by people with digital tools", None),
        term("digitalArt", "made by people with digital tools", None),
        term("softwareImage", "made by software", None),
        term("dataDrivenMedia", "drawn from data", None),
        term("screenCapture", "a picture of a screen", None),
        term("virtualRecording", "recorded of a virtual event", None),
        term("empty", "an empty picture", None),
    ]
};

impl Term {
    /// The term of an address or of a bare name; none where it is not of this vocabulary.
    pub(crate) fn of(text: &str) -> Option<&'static Term> {
        let text = text.trim().trim_end_matches('/');
        let (scheme, name) = text.rsplit_once(['/', ':']).unwrap_or(("", text));
        let known =
            ["", "digsrctype"].contains(&scheme) || scheme.to_lowercase().ends_with("/digitalsourcetype");
        VOCABULARY.iter().find(|term| known && term.name.eq_ignore_ascii_case(name))
    }
}

/// What `DigitalSourceType` of the file's XMP says.
pub(crate) fn find(xmp: &Xmp) -> Finding {
    let mut values: Vec<&str> = xmp.all(Property::SourceType).collect();
    values.dedup();
    let Some(&first) = values.first() else { return Finding::absent(xmp.damage.as_deref()) };

    let mut details = Details::default();
    values.iter().for_each(|value| details.add("digital source type", value));
    details.add_some("credit", xmp.all(Property::Credit).find(|credit| names::of(credit).is_some()));
    details.add_some("creator tool", xmp.all(Property::CreatorTool).find(|tool| names::of(tool).is_some()));
    details.add_some("damage", xmp.damage.as_deref());

    if values.len() > 1 {
        return Finding::found("the file names several source types", None, details);
    }
    match Term::of(first) {
        Some(term) => Finding::found(&format!("{} ({})", term.meaning, term.name), term.declares, details),
        None => Finding::found("a source type that IPTC's vocabulary does not have", None, details),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_known_by_address_code_and_bare_name() {
        let trained = Some("trainedAlgorithmicMedia");
        let cases = [
            ("http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia", trained),
            ("https://cv.iptc.org/newscodes/digitalSourceType/trainedAlgorithmicMedia/", trained),
            ("digsrctype:trainedAlgorithmicMedia", trained),
            (" trainedalgorithmicmedia ", trained),
            ("http://c2pa.org/digitalsourcetype/empty", Some("empty")),
            ("http://example.org/trainedAlgorithmicMedia", None),
            ("trainedAlgorithmicMediaX", None),
            ("", None),
            ("/", None),
        ];
        for (text, expected) in cases {
            assert_eq!(Term::of(text).map(|term| term.name), expected, "{text:?}");
        }
        let mut names: Vec<_> = VOCABULARY.iter().map(|term| term.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), VOCABULARY.len(), "no term stands twice");
    }
}
