/// What waits, first come, first served.
struct WaitingLine<Element: Sendable>: Sendable {
    private var elements: [Element] = []
    /// Those before it have left.
    private var first = 0

    var count: Int { elements.count - first }

    mutating func append(_ element: Element) { elements.append(element) }

    /// Takes out the first one that may go; those before it keep their places.
    mutating func takeFirst(where mayGo: (Element) -> Bool = { _ in true }) -> Element? {
        guard let place = elements[first...].firstIndex(where: mayGo) else { return nil }
        let element = elements[place]
        if place == first { first += 1 } else { elements.remove(at: place) }
        if first == elements.count || first > 1_024 {
            elements.removeFirst(first)
            first = 0
        }
        return element
    }
}
