//! What the owner of an account, and an administrator, see and ask for: devices, timeline, undo, requests.
//!
//! Pages, the JSON API and the command line ask here, so that all of them say the same. No HTTP, no clock, no waiting.
