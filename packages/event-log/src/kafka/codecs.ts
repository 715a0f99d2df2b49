import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gunzipSync, gzip, zstdCompress, zstdDecompressSync } from 'node:zlib'
import { compressFrame, decompressFrameSync } from 'lz4-napi'
import { compress as compressSnappy, uncompressSync as uncompressSnappy } from 'snappy'

/** The compressions that producers of any language use: gzip and zstd are Node's own, the others packages with prebuilt binaries. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const
export type Compression = (typeof COMPRESSIONS)[number]

/** The number that a record batch names its compression by. */
export const compressionNumber = (compression: Compression) => COMPRESSIONS.indexOf(compression)

/** A batch that claims to be larger is damaged, or was made to fill the memory. */
const LARGEST_BATCH_BYTES = 128 * 1024 * 1024

/**
 * The records of a batch, as they were before compression.
 *
 * @param attributes of the batch
 * @throws where the compression is unknown or the bytes are damaged
 */
export function decompressed(bytes: Buffer, attributes: number): Buffer {
  switch (COMPRESSIONS[attributes & 0x7]) {
    case 'none':
      return bytes
    case 'gzip':
      return gunzipSync(bytes, { maxOutputLength: LARGEST_BATCH_BYTES })
    case 'snappy':
      return unsnappied(bytes)
    case 'lz4':
      return decompressFrameSync(bytes)
    case 'zstd':
      return zstdDecompressSync(bytes, { maxOutputLength: LARGEST_BATCH_BYTES })
    default:
      throw new Error(`its compression is number ${attributes & 0x7}, which is none of ${COMPRESSIONS.join(', ')}`)
  }
}

/** How the Java client frames snappy: a magic, two versions, then blocks with their length in front. */
const SNAPPY_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const SNAPPY_HEADER_BYTES = 16

function unsnappied(bytes: Buffer): Buffer {
  if (!bytes.subarray(0, SNAPPY_MAGIC.length).equals(SNAPPY_MAGIC)) return snappyBlock(bytes)
  const blocks: Buffer[] = []
  for (let at = SNAPPY_HEADER_BYTES; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    blocks.push(snappyBlock(bytes.subarray(at + 4, at + 4 + length)))
    at += 4 + length
  }
  return Buffer.concat(blocks)
}

const snappyBlock = (bytes: Buffer) => uncompressSnappy(bytes, { asBuffer: true }) as Buffer

const [gzipped, zstdCompressed] = [promisify(gzip), promisify(zstdCompress)]

const COMPRESS: Readonly<Record<Exclude<Compression, 'none'>, (bytes: Buffer) => Promise<Buffer>>> = {
  gzip: (bytes) => gzipped(bytes),
  snappy: (bytes) => compressSnappy(bytes),
  lz4: (bytes) => compressFrame(bytes),
  zstd: (bytes) => zstdCompressed(bytes),
}

interface KafkaJsCodec {
  compress(encoder: { readonly buffer: Buffer }): Promise<Buffer>
  decompress(bytes: Buffer): Promise<Buffer>
}

/** kafkajs has a table of codecs to be filled, which an ES module can only reach so. */
const { CompressionCodecs } = createRequire(import.meta.url)('kafkajs') as {
  CompressionCodecs: Record<number, () => KafkaJsCodec>
}
for (const name of COMPRESSIONS) {
  if (name === 'none') continue
  const number = compressionNumber(name)
  CompressionCodecs[number] = () => ({
    compress: ({ buffer }) => COMPRESS[name](buffer),
    decompress: async (bytes) => decompressed(bytes, number),
  })
}
