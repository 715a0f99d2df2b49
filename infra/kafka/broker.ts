/**
 * A broker of Apache Kafka as a child process, on 127.0.0.1 only. Its folder and ports outlive the process, so that it
 * can be killed and started again:
 *
 *   ┌──────────────start──────────────┐      ┌──pause──▶
 *   │                                 ▼      ▼         paused
 * stopped ◀──kill / by itself──── running ◀──resume──
 *   │ ▲                               │
 *   wipe                              └── stop (from any state) ──▶ gone
 *
 * It dies with this process, whatever that dies of.
 */
import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { newCertificates } from './certificates.ts'
import { type KafkaOnJava, kafkaOnJava } from './java.ts'
import { type Mortal, spawnMortal } from './mortal.ts'
import { brokerAnswers, freePorts } from './ports.ts'
import { type SecureListener, type ServerSettings, scramArguments, serverProperties, type User } from './settings.ts'

export interface BrokerOptions {
  /** Created where it is missing, and kept. Default: a temporary one, which `stop` removes. */
  readonly directory?: string
  /** Of the listener without TLS and passwords; default a free one. */
  readonly port?: number
  /** A second listener with TLS and passwords (SASL_SSL). */
  readonly secure?: SecureOptions
  /** For server.properties; they win over our own. */
  readonly properties?: Readonly<Record<string, string>>
}

interface SecureOptions {
  /** Default a free one. */
  readonly port?: number
  /** Letters and digits. Each may use PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. They are those of the first start, and of the first after `wipe`. */
  readonly users: readonly User[]
  /** Whether clients have to show a certificate; default false. */
  readonly clientCertificates?: boolean
}

interface SecureEndpoint {
  /** `host:port`, as for KAFKA_BROKERS. */
  readonly brokers: readonly string[]
  /** Paths of PEM files: of the authority, and of a client's certificate and key. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

export interface Broker {
  /** `host:port` of the plain listener, as for KAFKA_BROKERS. */
  readonly brokers: readonly string[]
  /** Null where none was asked for. */
  readonly secure: SecureEndpoint | null
  readonly directory: string
  /** Null while there is no process. */
  readonly pid: number | null
  /** Resolves when the process of now is gone, with how it ended and its last words. */
  readonly ended: Promise<string>
  /**
   * Starts the process on the same data and ports, and resolves when it answers. After a SIGKILL that takes some
   * seconds: the controller waits until the session of the one before is over.
   */
  start(): Promise<void>
  /** Signals the process, SIGKILL by default, and resolves when it is gone. */
  kill(signal?: 'SIGKILL' | 'SIGTERM' | 'SIGINT'): Promise<void>
  /** SIGSTOP: connections stay, and nothing answers as soon as the kernel has come to all of its threads. */
  pause(): void
  resume(): void
  /** Takes all data away, of a stopped broker: it starts as another cluster. */
  wipe(): Promise<void>
  /** Ends the process, in order where the directory is kept, and removes a temporary directory. */
  stop(): Promise<void>
}

/** The message holds its last words. */
export class BrokerStartError extends Error {
  override readonly name = 'BrokerStartError'
}

/** Little memory, and a fast start rather than the best code: 1.7 s instead of 2.3 s. */
const JVM = ['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-XX:-UsePerfData', '-Djava.awt.headless=true']
const LOGGING = [
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dorg.slf4j.simpleLogger.showDateTime=true',
  '-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS',
]
const LOG = 'broker.log'
const START_MS = 120_000
const POLL_MS = 50
/** How long it may take to end in order. */
const STOP_MS = 30_000
const LAST_LINES = 12
/** Stack frames, and what formatting the data folder says. */
const NOISE = /^\s+at |^\s+\.\.\. \d+ more|^Bootstrap metadata|^Formatting /

/**
 * Starts a broker and resolves when it answers, about three seconds later.
 *
 * @throws NoJavaError where Java, Maven or the download is missing
 * @throws BrokerStartError
 */
export async function startBroker(options: BrokerOptions = {}): Promise<Broker> {
  const kafka = await kafkaOnJava()
  const temporary = options.directory === undefined
  const directory = temporary ? await mkdtemp(join(tmpdir(), 'weaklink-kafka-')) : resolve(options.directory)
  await mkdir(directory, { recursive: true })
  const [port, securePort, controllerPort] = (await freePorts(3)) as [number, number, number]
  const endpoints = options.secure === undefined ? null : await writeCertificates(directory, options.secure, securePort)
  const settings: ServerSettings = {
    dataFolder: join(directory, 'data'),
    plain: { port: options.port ?? port },
    controller: { port: controllerPort },
    secure: endpoints?.listener ?? null,
    properties: options.properties ?? {},
  }
  // What an earlier one said there is no reason of this one.
  await rm(join(directory, LOG), { force: true })
  const broker = new BrokerProcess(kafka, directory, temporary, settings, endpoints?.endpoint ?? null)
  try {
    await broker.start()
  } catch (error) {
    await broker.stop()
    throw error
  }
  return broker
}

async function writeCertificates(
  directory: string,
  { port, users, clientCertificates = false }: SecureOptions,
  freePort: number,
): Promise<{ listener: SecureListener; endpoint: SecureEndpoint }> {
  const folder = join(directory, 'certificates')
  await mkdir(folder, { recursive: true })
  const { authority, server, client } = newCertificates()
  const write = async (name: string, text: string) => {
    await writeFile(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const ca = await write('ca.pem', authority)
  const serverFile = await write('server.pem', server.key + server.certificate)
  const cert = await write('client.pem', client.certificate)
  const key = await write('client-key.pem', client.key)
  const listener = { port: port ?? freePort, users, authorityFile: ca, serverFile, clientCertificates }
  return { listener, endpoint: { brokers: [`127.0.0.1:${listener.port}`], ca, cert, key } }
}

class BrokerProcess implements Broker {
  readonly brokers: readonly string[]
  readonly secure: SecureEndpoint | null
  readonly directory: string
  readonly #kafka: KafkaOnJava
  readonly #temporary: boolean
  readonly #settings: ServerSettings
  readonly #log: string
  #process: Mortal | null = null
  #ended = Promise.resolve('it was not started')

  constructor(
    kafka: KafkaOnJava,
    directory: string,
    temporary: boolean,
    settings: ServerSettings,
    secure: SecureEndpoint | null,
  ) {
    this.brokers = [`127.0.0.1:${settings.plain.port}`]
    this.secure = secure
    this.directory = directory
    this.#kafka = kafka
    this.#temporary = temporary
    this.#settings = settings
    this.#log = join(directory, LOG)
  }

  get pid(): number | null {
    return this.#process?.pid ?? null
  }

  get ended(): Promise<string> {
    return this.#ended
  }

  async start(): Promise<void> {
    if (this.#process !== null) throw new Error(`the broker in ${this.directory} runs already`)
    const properties = join(this.directory, 'server.properties')
    await writeFile(properties, serverProperties(this.#settings), { mode: 0o600 })
    if (!existsSync(join(this.#settings.dataFolder, 'meta.properties'))) {
      const scram = scramArguments(this.#settings.secure)
      const formatting = await this.#java(
        'kafka.tools.StorageTool',
        'format',
        '-t',
        newUuid(),
        '-c',
        properties,
        ...scram,
      )
      const failure = await formatting.ended
      if (failure !== '') throw await this.#failed(failure)
    }
    const process = await this.#java('kafka.Kafka', properties)
    this.#process = process
    let over = false
    this.#ended = process.ended.then(async (reason) => {
      over = true
      this.#process = null
      return [reason || 'it ended in order', ...(await this.#lastWords())].join('\n')
    })
    for (const giveUpAt = performance.now() + START_MS; !(await brokerAnswers(this.#settings.plain.port)); ) {
      if (over) throw await this.#failed(await process.ended)
      if (performance.now() > giveUpAt) {
        await this.kill()
        throw await this.#failed(`no answer after ${START_MS / 1000} s`)
      }
      await sleep(POLL_MS)
    }
    // Somebody else may have had the port, and answered.
    if (over) throw await this.#failed(await process.ended)
  }

  async #java(...args: readonly string[]): Promise<Mortal> {
    const temporary = join(this.directory, 'tmp')
    await mkdir(temporary, { recursive: true })
    // Straight into the file, not through us: a busy or paused parent must not hold the broker up.
    const output = openSync(this.#log, 'a')
    const options = [...JVM, ...LOGGING, `-Djava.io.tmpdir=${temporary}`, '-cp', this.#kafka.classPath]
    const process = spawnMortal(this.#kafka.java, [...options, ...args], { output, cwd: this.directory })
    closeSync(output)
    return process
  }

  async #failed(reason: string): Promise<BrokerStartError> {
    const words = await this.#lastWords()
    return new BrokerStartError([`Kafka in ${this.directory} did not start: ${reason}`, ...words].join('\n'))
  }

  async #lastWords(): Promise<string[]> {
    const text = await readFile(this.#log, 'utf8').catch(() => '')
    return text
      .trimEnd()
      .split('\n')
      .filter((line) => !NOISE.test(line))
      .slice(-LAST_LINES)
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' | 'SIGINT' = 'SIGKILL'): Promise<void> {
    // A paused one would not hear it.
    if (signal !== 'SIGKILL') this.resume()
    this.#process?.signal(signal)
    await this.#ended
  }

  pause(): void {
    this.#process?.signal('SIGSTOP')
  }

  resume(): void {
    this.#process?.signal('SIGCONT')
  }

  async wipe(): Promise<void> {
    if (this.#process !== null) throw new Error(`the broker in ${this.directory} runs: kill it first`)
    await rm(this.#settings.dataFolder, { recursive: true, force: true })
  }

  async stop(): Promise<void> {
    if (!this.#temporary) {
      const late = new AbortController()
      const kill = sleep(STOP_MS, undefined, { signal: late.signal }).then(
        () => this.kill(),
        () => {},
      )
      await this.kill('SIGTERM')
      late.abort()
      await kill
    } else {
      await this.kill()
      await rm(this.directory, { recursive: true, force: true })
    }
  }
}

/** As Kafka writes them: 16 bytes in base 64 for addresses. One that begins with `-` would look like an option. */
function newUuid(): string {
  for (;;) {
    const id = randomBytes(16).toString('base64url')
    if (!id.startsWith('-')) return id
  }
}
