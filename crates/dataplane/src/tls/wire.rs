//! A cursor over bytes in the presentation language of TLS (RFC 8446 §3): fixed-size integers and
//! length-prefixed blocks. Every step that would run past the end is `None`; nothing here knows
//! what the bytes mean.

/// The bytes not read yet.
#[derive(Clone, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*first))
    }

    /// A block behind its one-byte length.
    pub(super) fn block_u8(&mut self) -> Option<&'a [u8]> {
        let length = self.u8()?;
        self.bytes(usize::from(length))
    }

    /// A block behind its two-byte length.
    pub(super) fn block_u16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// A block behind its two-byte length that must be all there is left.
    pub(super) fn sole_block_u16(mut self) -> Option<Self> {
        let block = self.block_u16()?;
        self.is_empty().then_some(Self(block))
    }

    /// The payload of a record, as much of it as is there.
    pub(super) fn record(&mut self) -> Option<&'a [u8]> {
        let _type_and_version = self.bytes(3)?;
        let length = usize::from(self.u16()?);
        self.bytes(length.min(self.len()))
    }
}
