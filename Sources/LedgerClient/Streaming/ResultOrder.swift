/// Puts results that arrive in any order back into the order of their events.
package struct ResultOrder<Value> {
    private var nextIndex = 0
    private var waiting: [Int: Value] = [:]

    /// Begins with index 0.
    package init() {}

    /// Takes in a result, and gives out those that nothing before them is missing for.
    package mutating func insert(_ value: Value, at index: Int) -> [Value] {
        waiting[index] = value
        var ready: [Value] = []
        while let value = waiting.removeValue(forKey: nextIndex) {
            ready.append(value)
            nextIndex += 1
        }
        return ready
    }
}
