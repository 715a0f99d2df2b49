import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { DataType, load, open } from 'ffi-rs'

open({ library: 'libc', path: 'libc.so.6' })
export async function lockFile(path: string, what: string, { waitMs = 0 } = {}) {
  void what
  const fd = openSync(path, 'a')
  const until = Date.now() + waitMs
  for (;;) {
    const rc = load({
      library: 'libc',
      funcName: 'flock',
      retType: DataType.I32,
      paramsType: [DataType.I32, DataType.I32],
      paramsValue: [fd, 6],
    })
    if (rc === 0) return { release: () => closeSync(fd) }
    if (Date.now() >= until) {
      closeSync(fd)
      throw new Error('in use ' + path)
    }
    await new Promise((r) => setTimeout(r, 50))
  }
}
void execFileSync
