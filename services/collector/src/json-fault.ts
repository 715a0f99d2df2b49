/** Where a text stops being JSON, and what could have stood there. */
export interface JsonFault {
  /** In UTF-16 units from the beginning. */
  readonly offset: number
  readonly expected: string
}

const WORDS = ['true', 'false', 'null'] as const
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y

/** Finds the first fault of a text that JSON.parse refused; its own messages do not always say the place. */
export function jsonFault(text: string): JsonFault | null {
  /** What is open, innermost last: no recursion, whatever the depth. */
  const open: ('object' | 'array')[] = []
  let offset = 0
  const blanks = () => {
    while (offset < text.length && ' \t\n\r'.includes(text[offset]!)) offset++
  }
  const fault = (expected: string): JsonFault => ({ offset, expected })

  /** Goes beyond a string. */
  const string = (): JsonFault | null => {
    for (offset++; offset < text.length; ) {
      const character = text[offset]!
      if (character === '"') {
        offset++
        return null
      }
      if (character < ' ') return fault('an escape like \\n in place of a control character')
      if (character !== '\\') offset++
      else if (offset + 1 < text.length) {
        ESCAPE.lastIndex = offset
        if (!ESCAPE.test(text)) return fault('an escape that JSON knows, like \\n or \\u00e9')
        offset = ESCAPE.lastIndex
      } else offset++
    }
    return fault('the end of the string, "')
  }
  /** Goes beyond a key and its colon. */
  const key = (expected: string): JsonFault | null => {
    blanks()
    if (text[offset] !== '"') return fault(expected)
    const wrong = string()
    if (wrong !== null) return wrong
    blanks()
    if (text[offset] !== ':') return fault(':')
    offset++
    return null
  }
  /** Goes beyond a value, or into an object or array that is not empty. */
  const value = (): JsonFault | null | 'opened' => {
    blanks()
    const character = text[offset]
    if (character === '"') return string()
    if (character === '{' || character === '[') {
      offset++
      blanks()
      if (text[offset] === (character === '{' ? '}' : ']')) {
        offset++
        return null
      }
      open.push(character === '{' ? 'object' : 'array')
      return (character === '{' ? key('a key in double quotes, or }') : null) ?? 'opened'
    }
    const word = WORDS.find((candidate) => text.startsWith(candidate, offset))
    NUMBER.lastIndex = offset
    if (word !== undefined) offset += word.length
    else if (NUMBER.test(text)) offset = NUMBER.lastIndex
    else return fault('a value: an object, array, string, number, true, false or null')
    return null
  }

  for (;;) {
    const read = value()
    if (read === 'opened') continue
    if (read !== null) return read
    for (;;) {
      blanks()
      const inside = open.at(-1)
      if (inside === undefined) return offset === text.length ? null : fault('the end: there is more behind the value')
      const next = text[offset]
      if (next === ',') {
        offset++
        const wrong = inside === 'object' ? key('a key in double quotes') : null
        if (wrong !== null) return wrong
        break
      }
      if (next !== (inside === 'object' ? '}' : ']')) return fault(inside === 'object' ? ', or }' : ', or ]')
      offset++
      open.pop()
    }
  }
}
