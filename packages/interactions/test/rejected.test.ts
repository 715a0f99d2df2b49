import { describe, expect, it } from 'vitest'
import {
  decodeFact,
  decodeRejected,
  encodeRejected,
  REJECTED_ROOM_BYTES,
  REPLAY_HEADER,
  rejectedText,
} from '../src/index.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const came = { key: bytes('anna'), value: bytes('{'), headers: { traceparent: '00-1', 'weaklink-reason': 'forged' } }
const source = { topic: 'weaklink.interactions', partition: 3, offset: 41 }

function rejectionOf(record: typeof came) {
  const decoded = decodeFact({ ...record, headers: {} }, 0)
  if (decoded.ok) throw new Error('it should not be taken in')
  return decoded.rejection
}

describe('a rejected record', () => {
  const rejection = rejectionOf(came)
  const stored = encodeRejected(came, rejection, source)

  it('comes back as it came, with reason and coordinates', () => {
    expect(decodeRejected(stored)).toEqual({
      origin: '3-41',
      source,
      rejection,
      replayed: false,
      record: { key: came.key, value: came.value, headers: { traceparent: '00-1' } },
      cut: null,
    })
  })
  it('is what it was before when it was replayed and rejected again, elsewhere', () => {
    const replayed = { ...came, headers: { [REPLAY_HEADER]: '3-41' } }
    const again = decodeRejected(encodeRejected(replayed, rejection, { ...source, partition: 0, offset: 77 }))
    expect(again).toMatchObject({ origin: '3-41', replayed: true, source: { offset: 77 } })
  })
  it('is cut where it is larger than can be kept, and says so', () => {
    const large = new Uint8Array(20_000_000)
    const cut = (record: Partial<Parameters<typeof encodeRejected>[0]>) => {
      const kept = encodeRejected({ ...came, ...record }, rejection, source)
      const { key, value, headers } = kept
      const total = (key?.length ?? 0) + value.length + JSON.stringify(headers).length
      expect(total).toBeLessThan(1_048_576 + REJECTED_ROOM_BYTES)
      return decodeRejected(kept)
    }
    expect(cut({ value: large })?.cut).toBe('value of 20000000 bytes')
    expect(cut({ key: large, value: large.subarray(0, 1_048_576) })?.cut).toBe('key of 20000000 bytes')
    expect(cut({ headers: { ...came.headers, x: 'ä'.repeat(1_000_000) } })).toMatchObject({
      cut: expect.stringMatching(/^headers of 20000\d\d bytes$/),
      record: { headers: {}, value: came.value },
      rejection,
    })
  })
  it('says why in words, also with a reason that only another version knows', () => {
    const known = decodeRejected(stored)
    expect(known && rejectedText(known)).toBe('It is not JSON. Expected JSON in UTF-8, got "{".')
    const unknown = decodeRejected({ ...stored, headers: { ...stored.headers, 'weaklink-reason': 'too_odd' } })
    expect(unknown && rejectedText(unknown)).toBe('too_odd. Expected JSON in UTF-8, got "{".')
  })
  it('is none where somebody else put something into the topic', () => {
    expect(decodeRejected(came)).toBeNull()
    for (const offset of ['', '-1', '1.5', 'x', '9'.repeat(16)])
      expect(decodeRejected({ ...stored, headers: { ...stored.headers, 'weaklink-offset': offset } })).toBeNull()
  })
})
