/** CRC-32C (Castagnoli), as a record batch carries it; RFC 3720, appendix B.4. Eight bytes a step. */
const POLYNOMIAL = 0x82f63b78
const STEPS = 8
const TABLES = Array.from({ length: STEPS }, () => new Int32Array(256))

for (let byte = 0; byte < 256; byte++) {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1
  TABLES[0]![byte] = crc
}
for (let step = 1; step < STEPS; step++) {
  for (let byte = 0; byte < 256; byte++) {
    const before = TABLES[step - 1]![byte]!
    TABLES[step]![byte] = (before >>> 8) ^ TABLES[0]![before & 0xff]!
  }
}
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as [
  ...[Int32Array, Int32Array, Int32Array, Int32Array],
  ...[Int32Array, Int32Array, Int32Array, Int32Array],
]

/** The checksum of bytes, as an unsigned integer. */
export function crc32c(bytes: Uint8Array): number {
  let crc = -1
  let at = 0
  for (const whole = bytes.length - (bytes.length % STEPS); at < whole; at += STEPS) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    crc =
      T7[crc & 0xff]! ^
      T6[(crc >>> 8) & 0xff]! ^
      T5[(crc >>> 16) & 0xff]! ^
      T4[crc >>> 24]! ^
      T3[bytes[at + 4]!]! ^
      T2[bytes[at + 5]!]! ^
      T1[bytes[at + 6]!]! ^
      T0[bytes[at + 7]!]!
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ T0[(crc ^ bytes[at]!) & 0xff]!
  return (crc ^ -1) >>> 0
}
