//! RWKV-4 and the character LSTM: published values, states, hooks, and damaged folders.

#[path = "recurrent/folders.rs"]
mod folders;
#[path = "recurrent/hostile.rs"]
mod hostile;
#[path = "recurrent/oracle.rs"]
mod oracle;
#[path = "recurrent/perplexity.rs"]
mod perplexity;
#[path = "recurrent/published.rs"]
mod published;
#[path = "recurrent/states.rs"]
mod states;
