//! Scores of messages as a stream of alerts delivers them: `score_messages SCHEMA_ID SCHEMA_FILE MESSAGE_FILE...`

mod abi;

use std::error::Error;
use std::ffi::{c_void, CStr, CString};
use std::ptr;

/// Scores messages by a model; one thread's at a time.
struct MessageScorer {
    model: *mut abi::Model,
    decoder: *mut abi::Decoder,
}

impl MessageScorer {
    fn new(model: &str) -> Result<Self, Box<dyn Error>> {
        let name = CString::new(model)?;
        let mut made = Self { model: ptr::null_mut(), decoder: ptr::null_mut() };
        // SAFETY: the structures are those of this version of the ABI, and what they point at lives through the calls;
        // the model outlives the decoder.
        unsafe {
            if abi::s2v_abi_version() != abi::ABI_VERSION {
                return Err("libspace2vec has another version of the ABI".into());
            }
            check(abi::s2v_model_load(name.as_ptr(), &mut made.model))?;
            let mut reading = std::mem::MaybeUninit::<abi::Reading>::uninit();
            abi::s2v_reading_init(reading.as_mut_ptr());
            let mut reading = reading.assume_init();
            reading.model = made.model;
            check(abi::s2v_decoder_create(&reading, &mut made.decoder))?;
        }
        Ok(made)
    }

    fn add_schema(&mut self, id: u32, json: &str) -> Result<(), Box<dyn Error>> {
        let json = CString::new(json)?;
        // SAFETY: the text ends with a zero.
        check(unsafe { abi::s2v_decoder_add_schema(self.decoder, id, json.as_ptr()) })
    }

    // [score]
    /// Id, P(real) and flags of a message; NaN where a flag says why there is none.
    fn score(&mut self, message: &[u8]) -> Result<(String, f32, u32), Box<dyn Error>> {
        let (bytes, size) = (message.as_ptr().cast::<c_void>(), i64::try_from(message.len())?);
        let mut id = abi::Id { text: ptr::null(), size: 0, kind: 0 };
        let (mut score, mut flags) = (f32::NAN, 0);
        let none = ptr::null_mut();
        // SAFETY: one message, and room for one row; the text of the id lives until the next call.
        let text = unsafe {
            check(abi::s2v_score_messages(self.decoder, &bytes, &size, 1, &mut id, none, &mut score, &mut flags))?;
            match id.size {
                0 => &[],
                size => std::slice::from_raw_parts(id.text.cast::<u8>(), usize::try_from(size)?),
            }
        };
        Ok((String::from_utf8_lossy(text).into_owned(), score, flags))
    }
    // [/score]
}

impl Drop for MessageScorer {
    fn drop(&mut self) {
        // SAFETY: they are freed once; null is none.
        unsafe {
            abi::s2v_decoder_free(self.decoder);
            abi::s2v_model_free(self.model);
        }
    }
}

fn check(status: i32) -> Result<(), Box<dyn Error>> {
    if status == abi::OK {
        return Ok(());
    }
    // SAFETY: a text that ends with a zero, of this thread.
    Err(unsafe { CStr::from_ptr(abi::s2v_last_error()) }.to_string_lossy().into())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (id, schema, messages) = match arguments.as_slice() {
        [_, id, schema, messages @ ..] => (id, schema, messages),
        _ => return Err("score_messages SCHEMA_ID SCHEMA_FILE MESSAGE_FILE...".into()),
    };
    let mut scorer = MessageScorer::new("default")?;
    scorer.add_schema(id.parse()?, &std::fs::read_to_string(schema)?)?;
    for path in messages {
        let (id, score, flags) = scorer.score(&std::fs::read(path)?)?;
        println!("{id} {score} {flags}");
    }
    Ok(())
}
