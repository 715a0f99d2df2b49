/** The configuration of a broker that is its own controller: server.properties. */

export interface User {
  readonly username: string
  readonly password: string
}

interface Listener {
  readonly port: number
}

export interface SecureListener extends Listener {
  /** Each may use PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
  readonly users: readonly User[]
  /** Paths of PEM files: the authority's certificate; the server's key and certificate in one. */
  readonly authorityFile: string
  readonly serverFile: string
  readonly clientCertificates: boolean
}

export interface ServerSettings {
  readonly dataFolder: string
  readonly plain: Listener
  readonly controller: Listener
  readonly secure: SecureListener | null
  /** Win over all others. */
  readonly properties: Readonly<Record<string, string>>
}

/** For a broker that is alone, and tests in a hurry. */
export const ONE_NODE = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'controller.listener.names': 'CONTROLLER',
  'inter.broker.listener.name': 'PLAINTEXT',
  'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'auto.create.topics.enable': 'false',
  'group.initial.rebalance.delay.ms': '0',
  // Tests want members that are soon taken for dead.
  'group.min.session.timeout.ms': '1000',
  // A killed broker comes back only when the session of the one before is over (9 s by default): its controller waits.
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '250',
  // 128 MB of the heap by default.
  'log.cleaner.dedupe.buffer.size': '4194304',
} as const

/** The text of server.properties. */
export function serverProperties({ dataFolder, plain, controller, secure, properties }: ServerSettings): string {
  const listeners = [`PLAINTEXT://127.0.0.1:${plain.port}`]
  if (secure !== null) listeners.push(`SECURE://127.0.0.1:${secure.port}`)
  const all: Readonly<Record<string, string>> = {
    ...ONE_NODE,
    'log.dirs': dataFolder,
    'controller.quorum.voters': `1@127.0.0.1:${controller.port}`,
    listeners: [...listeners, `CONTROLLER://127.0.0.1:${controller.port}`].join(','),
    'advertised.listeners': listeners.join(','),
    ...(secure === null ? {} : secureProperties(secure)),
    ...properties,
  }
  return Object.entries(all)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}

const SCRAM = ['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const

function secureProperties(secure: SecureListener): Record<string, string> {
  const { users, authorityFile, serverFile, clientCertificates } = secure
  const ours: Record<string, string> = {
    'sasl.enabled.mechanisms': ['PLAIN', ...SCRAM].join(','),
    'plain.sasl.jaas.config': `org.apache.kafka.common.security.plain.PlainLoginModule required ${users
      .map(({ username, password }) => `user_${username}="${password}"`)
      .join(' ')};`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': serverFile,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': authorityFile,
    'ssl.client.auth': clientCertificates ? 'required' : 'none',
  }
  for (const mechanism of SCRAM) {
    ours[`${mechanism.toLowerCase()}.sasl.jaas.config`] =
      'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  }
  return Object.fromEntries(Object.entries(ours).map(([name, value]) => [`listener.name.secure.${name}`, value]))
}

/** What the tool that formats the data folder wants to know of the users of SCRAM. */
export function scramArguments(secure: SecureListener | null): string[] {
  return (secure?.users ?? []).flatMap(({ username, password }) =>
    SCRAM.flatMap((mechanism) => ['--add-scram', `${mechanism}=[name=${username},password=${password}]`]),
  )
}
