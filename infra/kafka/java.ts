/** Java, and the jars of a broker: found, or fetched once by Maven. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { lockFile } from '../../packages/runtime/src/index.ts'
import { spawnMortal } from './mortal.ts'

const run = promisify(execFile)

const POM = fileURLToPath(new URL('pom.xml', import.meta.url))
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/weaklink-kafka/', import.meta.url))
const UNFINISHED = '.unfinished'
const LEAST_JAVA = 17
const PROBE_MS = 20_000
/** How long to wait for another process that downloads. */
const DOWNLOAD_MS = 600_000

/** Something of the machine is missing; the message says what, and what to do. */
export class NoJavaError extends Error {
  override readonly name = 'NoJavaError'
}

export interface KafkaOnJava {
  /** The program. */
  readonly java: string
  /** What to put behind `-cp`: the jars of the broker, the Java client among them. */
  readonly classPath: string
}

/**
 * Java with Kafka's jars. Those are downloaded once for each state of pom.xml, however many ask at once; what an
 * interrupted download left is taken away.
 *
 * @param cache where the jars are kept
 * @throws NoJavaError where there is no Java 17, no Maven, or nowhere to download from
 */
export async function kafkaOnJava(cache = CACHE): Promise<KafkaOnJava> {
  const java = await findJava()
  const name = createHash('sha256')
    .update(await readFile(POM))
    .digest('hex')
    .slice(0, 16)
  const folder = join(cache, name)
  if (!existsSync(folder)) {
    const lock = await lockFile(join(cache, 'lock'), 'the download of Kafka', { waitMs: DOWNLOAD_MS })
    try {
      if (!existsSync(folder)) await download(cache, name)
    } finally {
      lock.release()
    }
  }
  return { java, classPath: join(folder, '*') }
}

async function findJava(): Promise<string> {
  const home = process.env.JAVA_HOME
  const java = home === undefined || home === '' ? 'java' : join(home, 'bin', 'java')
  let said: string
  try {
    said = (await run(java, ['-version'], { timeout: PROBE_MS })).stderr
  } catch {
    throw new NoJavaError(
      `There is no Java here ("${java} -version" fails): install Java ${LEAST_JAVA} or newer, or set JAVA_HOME.`,
    )
  }
  // "17.0.15", "21-ea"; up to Java 8 "1.8.0_392".
  const version = Number(/version "(?:1\.)?(\d+)/.exec(said)?.[1] ?? Number.NaN)
  if (version >= LEAST_JAVA) return java
  const found = said.split('\n')[0]
  throw new NoJavaError(
    `Kafka needs Java ${LEAST_JAVA} or newer, and "${java}" is ${found}: install it, or set JAVA_HOME.`,
  )
}

/** Only under the lock: it takes away what is not whole. What an older pom.xml got stays: a broker may run on it. */
async function download(cache: string, name: string): Promise<void> {
  try {
    await run('mvn', ['--version'], { timeout: PROBE_MS })
  } catch {
    throw new NoJavaError('There is no Maven here ("mvn --version" fails): install it; it downloads Kafka once.')
  }
  for (const entry of await readdir(cache)) {
    if (entry.includes(UNFINISHED)) await rm(join(cache, entry), { recursive: true, force: true })
  }
  process.stderr.write('Maven downloads Apache Kafka (once; 45 MB) …\n')
  const unfinished = join(cache, name + UNFINISHED)
  const log = `${unfinished}.txt`
  await mkdir(unfinished)
  const args = ['-q', '-B', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${unfinished}`]
  const output = openSync(log, 'w')
  const failure = await spawnMortal('mvn', args, { output }).ended
  closeSync(output)
  if (failure !== '') {
    const errors = (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('ERROR'))
    throw new NoJavaError(`Maven could not download Kafka (${failure}):\n${errors.slice(0, 4).join('\n')}`)
  }
  await rename(unfinished, join(cache, name))
  await rm(log)
}
