//! Every machine as PNG.

use std::path::PathBuf;

use durable_fsm_graph::png::{Scheme, write};

use crate::machines;

/// Width and height, as the file says.
fn size(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG"));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

#[test]
fn every_machine_is_drawn_as_png_in_the_size_of_its_svg() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("png");
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    for (name, machine) in machines::all() {
        machine.with(|graph| {
            let picture = durable_fsm_graph::svg::file(graph, None);
            let attribute = |name: &str| -> u32 {
                let rest = picture.split_once(&format!(" {name}=\"")).expect("a size").1;
                rest.split_once('"').expect("a size").0.parse().expect("a number")
            };
            let wanted = (attribute("width"), attribute("height"));
            for (scheme, tone) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
                let png = write(graph, Some(&crate::waiting()), scheme, 1.0).expect("a small picture");
                std::fs::write(folder.join(format!("{name}-live.{tone}.png")), png).expect("the folder can be written");
                let png = write(graph, None, scheme, 1.0).expect("a small picture");
                assert_eq!(size(&png), wanted, "{name}");
                std::fs::write(folder.join(format!("{name}.{tone}.png")), png).expect("the folder can be written");
            }
        });
    }
}

#[test]
fn a_scale_is_kept_and_one_that_fits_no_memory_is_refused() {
    machines::worker().with(|graph| {
        let once = write(graph, Some(&crate::waiting()), Scheme::Light, 1.0).expect("a small picture");
        let twice = write(graph, Some(&crate::waiting()), Scheme::Dark, 2.0).expect("a small picture");
        assert_eq!(size(&twice), (2 * size(&once).0, 2 * size(&once).1));
        assert_eq!(once, write(graph, Some(&crate::waiting()), Scheme::Light, 1.0).expect("the same again"));
        assert!(write(graph, None, Scheme::Light, 1e9).is_err(), "a picture larger than memory is refused");
        assert!(write(graph, None, Scheme::Light, f32::NAN).is_err());
    });
}

#[test]
fn there_is_text_in_it_without_a_font_on_the_machine() {
    let named = |name: &str| {
        machines::Machine::new("M").states(&[name]).with(|graph| write(graph, None, Scheme::Light, 1.0).expect("small"))
    };
    // Without its font every text would be missing, and both an empty box.
    assert_ne!(named("WWWi"), named("iWWW"));
}
