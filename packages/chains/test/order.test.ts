import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareUtf8 } from '../src/order.ts'

test('strings compare as their UTF-8 bytes do', () => {
  // Few characters, from all ranges where UTF-16 and UTF-8 disagree, so that many strings begin alike.
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '\ud7ff', '\ue000', 'ａ', '😀', '🜀'), maxLength: 4 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    { numRuns: 5_000 },
  )
})
