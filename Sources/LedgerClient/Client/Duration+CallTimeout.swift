extension Duration {
    /// The same as a call's timeout: beyond what gRPC can say in seconds, about three years, the arithmetic of clocks ends
    /// the process.
    var callTimeout: Duration { min(self, .seconds(99_999_999)) }
}
