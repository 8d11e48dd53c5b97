//! SASL mechanisms, server and client side: PLAIN and LOGIN.
