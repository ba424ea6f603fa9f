//! XMP: the few properties that are asked for, by their namespaces, whatever the prefixes.

use crate::container::{Fragment, Parts};
use crate::tags::Tags;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{QName, ResolveResult};
use quick_xml::reader::NsReader;
use std::borrow::Cow;

/// Longest packet in bytes, extended XMP included. Those of long-edited files have a few million.
const MAX_PACKET: usize = 16 << 20;

/// Most elements and attributes of a packet.
const MAX_NODES: usize = 200_000;

/// Deepest element, and most namespaces that an element declares: a name is looked up among all that are in force.
const MAX_DEPTH: usize = 64;

/// Most values kept, and the longest of them in bytes: more than is ever shown, for texts that are parsed.
const MAX_VALUES: usize = 64;
const MAX_VALUE: usize = 1 << 20;

const IPTC: &str = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const RDF: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Property {
    SourceType,
    /// IPTC 2025.1: engine or model, its version, and what it was asked.
    AiSystem,
    AiSystemVersion,
    AiPrompt,
    Credit,
    CreatorTool,
    Description,
    /// Where the C2PA manifest is.
    Provenance,
    /// Digest of the XMP that did not fit into this packet.
    Extended,
}

const PROPERTIES: [(&str, &str, Property); 9] = [
    (IPTC, "DigitalSourceType", Property::SourceType),
    (IPTC, "AISystemUsed", Property::AiSystem),
    (IPTC, "AISystemVersionUsed", Property::AiSystemVersion),
    (IPTC, "AIPromptInformation", Property::AiPrompt),
    ("http://ns.adobe.com/photoshop/1.0/", "Credit", Property::Credit),
    ("http://ns.adobe.com/xap/1.0/", "CreatorTool", Property::CreatorTool),
    ("http://purl.org/dc/elements/1.1/", "description", Property::Description),
    ("http://purl.org/dc/terms/", "provenance", Property::Provenance),
    ("http://ns.adobe.com/xmp/note/", "HasExtendedXMP", Property::Extended),
];

/// The properties of all packets of a file.
#[derive(Debug, Default)]
pub(crate) struct Xmp {
    values: Vec<(Property, String)>,
    /// Why there may be more.
    pub(crate) damage: Option<String>,
}

impl Xmp {
    /// `tags` hold the XMP of a TIFF, and their damage is its damage.
    pub(crate) fn read(parts: &Parts, tags: &Tags, tags_are_file: bool) -> Xmp {
        let damage = parts.damage.of_xmp().or(tags.damage.as_deref().filter(|_| tags_are_file));
        let mut xmp = Xmp { values: Vec::new(), damage: damage.map(str::to_owned) };
        for packet in parts.xmp.iter().map(Cow::as_ref).chain(tags.xmp()) {
            xmp.add(packet);
        }
        if let Some(guid) = xmp.first(Property::Extended).map(str::to_owned) {
            match joined(&guid, &parts.extended) {
                Ok(packet) => xmp.add(&packet),
                Err(problem) => xmp.damage = Some(problem),
            }
        }
        xmp
    }

    /// The values of a property in the file's order.
    pub(crate) fn all(&self, property: Property) -> impl Iterator<Item = &str> {
        self.values.iter().filter(move |(of, _)| *of == property).map(|(_, value)| value.as_str())
    }

    pub(crate) fn first(&self, property: Property) -> Option<&str> {
        self.all(property).next()
    }

    fn add(&mut self, packet: &[u8]) {
        if let Err(problem) = read_packet(packet, &mut self.values) {
            self.damage = Some(format!("its XMP cannot be read ({problem})"));
        }
    }
}

/// The pieces of extended XMP with this digest, put together.
fn joined(guid: &str, fragments: &[Fragment]) -> Result<Vec<u8>, String> {
    let mut pieces: Vec<&Fragment> =
        fragments.iter().filter(|piece| piece.guid.eq_ignore_ascii_case(guid.trim().as_bytes())).collect();
    pieces.sort_by_key(|piece| piece.offset);
    let mut packet = Vec::new();
    for piece in &pieces {
        if piece.offset != packet.len() || piece.length > MAX_PACKET {
            break;
        }
        packet.extend_from_slice(piece.data);
    }
    match pieces.first() {
        Some(piece) if piece.length == packet.len() => Ok(packet),
        _ => Err("a part of its XMP stands elsewhere in the file, and is not complete".to_owned()),
    }
}

/// Puts what is asked for into `values`, up to the first mistake.
fn read_packet(packet: &[u8], values: &mut Vec<(Property, String)>) -> Result<(), String> {
    if packet.len() > MAX_PACKET {
        return Err(format!("{} bytes, more than the {MAX_PACKET} that are read", packet.len()));
    }
    let text = std::str::from_utf8(packet).map_err(|_| "it is not UTF-8")?;
    let mut reader =
        NsReader::from_str(text.trim_matches(|c: char| c == '\0' || c == '\u{feff}' || c.is_whitespace()));
    reader.resolver_mut().set_max_declarations_per_element(MAX_DEPTH);
    let (mut nodes, mut depth) = (0, 0);
    // The property whose element is open, how deep it is, and its text so far.
    let mut open: Option<(Property, usize, String)> = None;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match event {
            Event::Start(element) => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(format!("elements stand in each other more than {MAX_DEPTH} deep"));
                }
                let of_element = read_element(&reader, &element, &mut nodes, values)?;
                if let (None, Some(property)) = (&open, of_element) {
                    open = Some((property, depth, String::new()));
                }
            }
            Event::Empty(element) => {
                read_element(&reader, &element, &mut nodes, values)?;
            }
            Event::Text(text) => append(&mut open, &text.xml10_content().map_err(|error| error.to_string())?),
            Event::CData(text) => append(&mut open, &text.decode().map_err(|error| error.to_string())?),
            Event::GeneralRef(reference) => {
                match reference.resolve_char_ref().map_err(|error| error.to_string())? {
                    Some(c) => append(&mut open, c.encode_utf8(&mut [0; 4])),
                    None => {
                        let name = reference.decode().map_err(|error| error.to_string())?;
                        let text = quick_xml::escape::resolve_predefined_entity(&name).ok_or_else(|| {
                            format!("it refers to the entity \"{name}\", which XML does not know")
                        })?;
                        append(&mut open, text);
                    }
                }
            }
            Event::End(_) => {
                if let Some((property, _, text)) = open.take_if(|(_, at, _)| *at == depth) {
                    keep(property, &text, values);
                }
                depth -= 1;
            }
            // Entities are declared there; XMP has none.
            Event::DocType(_) => return Err("it declares a document type".to_owned()),
            Event::Eof if depth > 0 => return Err("it ends inside of an element".to_owned()),
            Event::Eof => return Ok(()),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// Keeps the attributes that are asked for, and says whether the element itself is.
fn read_element(
    reader: &NsReader<&[u8]>,
    element: &BytesStart,
    nodes: &mut usize,
    values: &mut Vec<(Property, String)>,
) -> Result<Option<Property>, String> {
    let of_element = property(reader, element.name(), false);
    *nodes += 1;
    // Looking for doubles would take quadratic time.
    for attribute in element.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        *nodes += 1;
        let of_attribute = property(reader, attribute.key, true);
        // <Iptc4xmpExt:DigitalSourceType rdf:resource="http://..."/>
        let of_resource = of_element.filter(|_| is_resource(reader, attribute.key));
        if let Some(property) = of_attribute.or(of_resource) {
            let value =
                attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|error| error.to_string())?;
            keep(property, &value, values);
        }
    }
    if *nodes > MAX_NODES {
        return Err(format!("it has more than {MAX_NODES} elements and attributes"));
    }
    Ok(of_element)
}

fn property(reader: &NsReader<&[u8]>, name: QName, is_attribute: bool) -> Option<Property> {
    // Most names end here, without a look at the namespaces.
    let local = name.local_name();
    let (namespace, _, property) = PROPERTIES.iter().find(|(_, of, _)| of.as_bytes() == local.as_ref())?;
    let (resolved, _) = match is_attribute {
        true => reader.resolver().resolve_attribute(name),
        false => reader.resolver().resolve_element(name),
    };
    is(resolved, namespace).then_some(*property)
}

fn is_resource(reader: &NsReader<&[u8]>, name: QName) -> bool {
    name.local_name().as_ref() == b"resource" && is(reader.resolver().resolve_attribute(name).0, RDF)
}

fn is(resolved: ResolveResult, namespace: &str) -> bool {
    matches!(resolved, ResolveResult::Bound(bound) if bound.as_ref() == namespace.as_bytes())
}

fn append(open: &mut Option<(Property, usize, String)>, text: &str) {
    if let Some((_, _, value)) = open {
        let left = MAX_VALUE.saturating_sub(value.len());
        value.push_str(&text[..text.floor_char_boundary(left)]);
    }
}

fn keep(property: Property, value: &str, values: &mut Vec<(Property, String)>) {
    let value = value.trim();
    if !value.is_empty() && values.len() < MAX_VALUES {
        values.push((property, value[..value.floor_char_boundary(MAX_VALUE)].to_owned()));
    }
}

#[cfg(test)]
mod tests;
