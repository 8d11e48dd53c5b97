//! Accounts, devices, credentials and the directory of addresses.
