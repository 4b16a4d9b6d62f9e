//! What this program needs of space2vec.h, for version 0.1 of the ABI. `cpp/abi.txt` has every size and offset.

use std::os::raw::{c_char, c_void};

pub const ABI_VERSION: u32 = 1;
pub const OK: i32 = 0;

#[repr(C)]
pub struct Model {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Decoder {
    _opaque: [u8; 0],
}

#[repr(C)]
pub struct Reading {
    pub size: usize,
    pub count: i64,
    pub paths: *const *const c_char,
    pub memory: *const *const c_void,
    pub memory_size: *const i64,
    pub column_count: i32,
    pub columns: *const *const c_char,
    pub field_count: i32,
    pub fields: *const *const c_char,
    pub schema_count: i32,
    pub schema_ids: *const u32,
    pub schemas: *const *const c_char,
    pub planes: u32,
    pub keep_pixels: i32,
    pub sets: i32,
    pub convention: i32,
    pub saturation: f32,
    pub threads: i32,
    pub start_source: i32,
    pub start_block: u64,
    pub start_row: i64,
    pub interrupted: Option<extern "C" fn(*mut c_void) -> i32>,
    pub context: *mut c_void,
    pub allocator: *const c_void,
    pub decode_image: Option<extern "C" fn(*mut c_void, *const c_void, i64, i32, i32, *mut f32) -> i32>,
    pub model: *const Model,
    pub catalogue: i32,
    pub embedder: *const Model,
}

#[repr(C)]
pub struct Id {
    pub text: *const c_char,
    pub size: i64,
    pub kind: i32,
}

// A structure of another size is refused by the library; of another layout it would be misread.
const _: () = assert!(std::mem::size_of::<Reading>() == 200);
const _: () = assert!(std::mem::size_of::<Id>() == 24);

extern "C" {
    pub fn s2v_abi_version() -> u32;
    pub fn s2v_last_error() -> *const c_char;
    pub fn s2v_model_load(name_or_path: *const c_char, model: *mut *mut Model) -> i32;
    pub fn s2v_model_free(model: *mut Model);
    pub fn s2v_reading_init(reading: *mut Reading);
    pub fn s2v_decoder_create(reading: *const Reading, decoder: *mut *mut Decoder) -> i32;
    pub fn s2v_decoder_free(decoder: *mut Decoder);
    pub fn s2v_decoder_add_schema(decoder: *mut Decoder, id: u32, json: *const c_char) -> i32;
    pub fn s2v_score_messages(
        decoder: *mut Decoder,
        messages: *const *const c_void,
        sizes: *const i64,
        n: i64,
        candidate_ids: *mut Id,
        object_ids: *mut Id,
        score: *mut f32,
        flags: *mut u32,
    ) -> i32;
}
