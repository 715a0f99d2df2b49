import type { Interaction } from '@weaklink/interactions'
import type { Branch, Company } from './company.ts'
import type { Chance } from './random.ts'

export type DeviceKind = 'mobile' | 'desktop'

/** A browser of a customer, with the cookie that the site gave it. */
export interface Device {
  readonly kind: DeviceKind
  readonly cookie: string
  /** The company knows whose it is. */
  identified: boolean
}

/** Where a customer came from, as the site sees it for as long as the visit lasts. */
export interface Source {
  readonly channel: 'search' | 'social' | 'email' | 'referral'
  readonly campaign?: string
}

/** What an interaction says beside who, where and when. */
export type Details = Omit<Partial<Interaction>, 'id' | 'customer' | 'anonymousId' | 'touchpoint' | 'at'>

type Who = Pick<Interaction, 'customer' | 'anonymousId'>

/** One person: what the company sees of them, and under which name. */
export class Customer {
  readonly number: number
  readonly chance: Chance
  readonly company: Company
  readonly branch: Branch
  readonly #id: string
  readonly #devices: Device[] = []
  #interactions = 0
  #named = 0
  #lastDevice: DeviceKind = 'mobile'

  constructor(number: number, chance: Chance, company: Company, branch: Branch) {
    this.number = number
    this.chance = chance
    this.company = company
    this.branch = branch
    this.#id = customerId(number)
  }

  get now(): number {
    return this.company.timeline.now
  }

  /** The kind of device that they were on the site with last. */
  get lastDevice(): DeviceKind {
    return this.#lastDevice
  }

  /** Their device of this kind. */
  device(kind: DeviceKind): Device {
    this.#lastDevice = kind
    const known = this.#devices.find((device) => device.kind === kind)
    if (known !== undefined) return known
    const device = { kind, cookie: `cookie-${this.company.tag}-${this.number}-${kind}`, identified: false }
    this.#devices.push(device)
    return device
  }

  /** A name for an episode or an order, that nobody else has. */
  name(kind: string): string {
    return `${kind}-${this.company.tag}-${this.number}-${++this.#named}`
  }

  /** Meets the company on the site: under the cookie, until this device is known to be this customer's. */
  meetOnline(device: Device, touchpoint: string, details: Details = {}): void {
    const who = device.identified ? { customer: this.#id } : { anonymousId: device.cookie }
    this.#emit(who, touchpoint, { ...details, props: { device: device.kind, ...details.props } })
  }

  /** Meets the company on the site and says who they are. */
  identify(device: Device, touchpoint: string, details: Details = {}): void {
    this.#emit(this.#revealedBy(device), touchpoint, { ...details, props: { device: device.kind, ...details.props } })
  }

  /** Calls by the button of a page, which tells the company which visitor it is that calls. */
  announceCall(device: Device, touchpoint: string, details: Details): void {
    this.#emit(this.#revealedBy(device), touchpoint, details)
  }

  /** Meets the company under their own name: on the phone, in the office, at home. */
  meet(touchpoint: string, details: Details = {}): void {
    this.#emit({ customer: this.#id }, touchpoint, details)
  }

  /** Both names, the first time that the company can know them to be one. */
  #revealedBy(device: Device): Who {
    const who = device.identified ? { customer: this.#id } : { customer: this.#id, anonymousId: device.cookie }
    device.identified = true
    return who
  }

  #emit(who: Who, touchpoint: string, details: Details): void {
    // Ids of one instant are compared as texts: they must stand in the order of the numbers.
    const id = `${this.company.tag}-${this.number}-${String(++this.#interactions).padStart(5, '0')}`
    this.company.tell(this.number, { id, ...who, touchpoint, at: this.now, ...details })
  }
}

/** The id under which the company knows a customer. */
export function customerId(number: number): string {
  return `customer-${String(number).padStart(5, '0')}`
}
