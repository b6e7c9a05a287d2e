import Testing

/// Every suite here starts real servers: one after the other, for they share few processors.
@Suite("Integration", .serialized)
enum Integration {}
