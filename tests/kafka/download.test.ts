import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { describeWithJava } from '../support/kafka.ts'
import { until } from '../support/up.ts'
import { temporaryFolder } from '../support/weaklink.ts'

// The jars come once, whole, and not twice at a time. With a Maven of our own that takes its time and notes its runs.

const JARS = fileURLToPath(new URL('programs/jars.ts', import.meta.url))
const MAVEN = `#!/bin/sh
[ "$1" = --version ] && exit
for argument; do case "$argument" in -DoutputDirectory=*) folder="\${argument#*=}" ;; esac; done
echo one > "$folder/one.jar"
echo run >> "$RUNS"
[ -e "$FAILS" ] && { echo '[ERROR] no route to the repository'; exit 1; }
sleep 1
echo two > "$folder/two.jar"
`

await describeWithJava('the jars of Kafka', () => {
  let folder: ReturnType<typeof temporaryFolder>
  afterEach(() => folder.remove())

  function machine() {
    folder = temporaryFolder()
    const [cache, bin, runs, fails] = ['cache', 'bin', 'runs', 'fails'].map((name) => join(folder.path, name)) as [
      string,
      string,
      string,
      string,
    ]
    mkdirSync(bin)
    writeFileSync(join(bin, 'mvn'), MAVEN)
    chmodSync(join(bin, 'mvn'), 0o755)
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, RUNS: runs, FAILS: fails }
    return {
      cache,
      fail: () => writeFileSync(fails, ''),
      runs: () => (existsSync(runs) ? readFileSync(runs, 'utf8').split('\n').length - 1 : 0),
      ask: () => spawn(process.execPath, [JARS, cache], { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    }
  }

  async function jarsOf(child: ReturnType<ReturnType<typeof machine>['ask']>): Promise<string[]> {
    const [classPath, error] = await Promise.all([text(child.stdout), text(child.stderr)])
    if (classPath === '') throw new Error(error)
    return readdirSync(dirname(classPath)).sort()
  }

  test('are downloaded once, by whoever comes first', async () => {
    const { ask, runs } = machine()
    const both = ['one.jar', 'two.jar']
    expect(await Promise.all([ask(), ask(), ask()].map(jarsOf))).toEqual([both, both, both])
    expect(await jarsOf(ask())).toEqual(both)
    expect(runs()).toBe(1)
  })

  test('are downloaded anew where the one who did it was killed', async () => {
    const { ask, runs, cache } = machine()
    const first = ask()
    await until(() => runs() === 1, 'Maven was at it')
    first.kill('SIGKILL')
    await once(first, 'close')
    expect(await jarsOf(ask())).toEqual(['one.jar', 'two.jar'])
    expect(runs()).toBe(2)
    expect(readdirSync(cache).filter((name) => name.includes('unfinished'))).toEqual([])
  })

  test('that cannot be had: what Maven says', async () => {
    const { ask, fail } = machine()
    fail()
    await expect(jarsOf(ask())).rejects.toThrow(
      /Maven could not download Kafka \(it ended with exit code 1\):\n.*no route to the repository/,
    )
  })
})
