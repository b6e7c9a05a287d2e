/// What the library is told of a call that was answered in front of it.
struct RefusedCall: Error {
    let refusal: Refusal
}
