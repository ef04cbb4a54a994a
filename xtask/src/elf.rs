//! How an ELF program is linked.

/// Whether a program runs by itself: one that needs shared libraries names the loader that fetches them (`PT_INTERP`).
pub fn is_static(program: &[u8]) -> bool {
    let headers = programs(program);
    headers.is_some_and(|mut kinds| kinds.all(|kind| kind != PT_INTERP))
}

const PT_INTERP: u32 = 3;

/// The kinds of the program headers of a 64-bit little-endian ELF file.
fn programs(bytes: &[u8]) -> Option<impl Iterator<Item = u32>> {
    let is_known = bytes.starts_with(b"\x7fELF\x02\x01");
    let start = usize::try_from(u64::from_le_bytes(field(bytes, 0x20)?)).ok()?;
    let size = usize::from(u16::from_le_bytes(field(bytes, 0x36)?));
    let count = usize::from(u16::from_le_bytes(field(bytes, 0x38)?));
    let kinds: Option<Vec<u32>> = (0..count)
        .map(|index| field(bytes, start.checked_add(index * size)?).map(u32::from_le_bytes))
        .collect();
    kinds.filter(|_| is_known).map(Vec::into_iter)
}

fn field<const LENGTH: usize>(bytes: &[u8], at: usize) -> Option<[u8; LENGTH]> {
    let end = at.checked_add(LENGTH)?;
    bytes.get(at..end)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with program headers of some kinds.
    fn program(kinds: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x20] = 64;
        bytes[0x36] = 56;
        bytes[0x38] = u8::try_from(kinds.len()).unwrap();
        for kind in kinds {
            bytes.extend(kind.to_le_bytes());
            bytes.extend([0; 52]);
        }
        bytes
    }

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        assert!(is_static(&program(&[1, 1, 2])));
        assert!(!is_static(&program(&[6, PT_INTERP, 1])));
        let mut cut = program(&[1, 1]);
        cut.truncate(100);
        assert!(!is_static(&cut));
        assert!(!is_static(b"#!/bin/sh"));
    }

    #[test]
    fn this_test_needs_the_c_library() {
        let itself = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(is_static(&itself), cfg!(target_feature = "crt-static"));
    }
}
