import { type Database, open } from 'lmdb'

/** Damages the batch of an embedded log, which nobody has open, that holds an offset of the only partition of a topic. */
export async function damageBatch(directory: string, topic: string, offset: number): Promise<void> {
  const env = open({ path: directory, noSubdir: false })
  const topics: Database<{ id: number }, string> = env.openDB('topics', { encoding: 'json' })
  const chunks: Database<Buffer, number[]> = env.openDB('chunks', { encoding: 'binary' })
  const id = topics.get(topic)?.id ?? 0
  for (const { key, value } of chunks.getRange({ start: [id, 0, offset], end: [id, 1], limit: 1 })) {
    await chunks.put(key, Buffer.from(value.subarray(0, value.length - 3)))
  }
  await env.close()
}
