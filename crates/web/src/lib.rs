//! The pages and the JSON API: HTTP requests times `console`.
