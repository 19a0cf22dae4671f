pub mod http;
pub mod reputation;
pub mod s3;
pub mod service;
pub mod site;
pub mod webhook;
