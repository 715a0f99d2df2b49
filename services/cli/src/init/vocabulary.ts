import { phrases } from './words.ts'

/**
 * What columns are called, in English, Russian, Spanish, German and Chinese. A **tier** is a weight and the names that
 * have it: where several columns would do for a field, the one with the highest weight is taken.
 */
export interface Vocabulary {
  readonly tiers: readonly (readonly [weight: number, names: RegExp])[]
  /** A name with one of these is not meant. */
  readonly not?: RegExp
}

export const TIME: Vocabulary = {
  tiers: [
    [
      4,
      phrases(`
    =at, timestamp, event time, event date, event at, occurred*, datetime, date time, calldate,
    call date, =ts, дата и время, дата время, дата события, дата звонка, дата перехода, дата этапа,
    дата изменения этапа, fecha y hora, fecha hora, zeitstempel, zeitpunkt, 时间戳, 事件时间, 发生时间`),
    ],
    [3, phrases('=time, =date, =дата, =время, =fecha, =datum, =zeit, =when, =когда, =时间, =日期')],
    [2, phrases('time, date, дата, время, fecha, hora, datum, zeit, created*, start*, создан*, начал*, 时间, 日期')],
  ],
  not: phrases(`
    birth*, рожден*, nacimiento, geburts*, updated, modified, изменен*, обновлен*, close*, закрыт*,
    end*, finish*, expire*, deadline, due, план*, received, ingest*, loaded, wait, duration, 更新*, 生日`),
}

/** The time of day, where it has a column of its own. */
export const TIME_OF_DAY = phrases('time, время, hora, uhrzeit, zeit, 时间')

export const CUSTOMER_ID: Vocabulary = {
  tiers: [
    [
      4,
      phrases(`
    =customer, customer id, customerid, user id, userid, =uid, client id, clientid, contact id,
    person id, member id, buyer id, patient id, guest id, subscriber id, id клиента, клиент id,
    код клиента, номер клиента, ид клиента, id контакта, id пользователя, id cliente, cliente id,
    codigo cliente, kunden id, kunden nr, kundennummer, kundennr, 用户id, 客户id, 用户 id, 客户 id, 用户编号, 客户编号,
    会员`),
    ],
    [3, phrases('account id, lead id, profile id, distinct id, id лида')],
  ],
}

export const PHONE: Vocabulary = {
  tiers: [
    [
      3,
      phrases(`
    phone*, tel, telephone, msisdn, caller*, calling number, телефон*, тел, абонент*, номер абонента,
    звонящ*, кто звонил, telefono, movil, telefon*, handy*, rufnummer, anrufer*, =src, =from, =mobile,
    =clid, 电话, 手机, 来电`),
    ],
  ],
  not: phrases('type, model, os, agent, status, name, time, date, called, тип, менеджера'),
}

export const EMAIL: Vocabulary = {
  tiers: [[3, phrases('email, e mail, =mail, почта, correo, 邮箱')]],
  not: phrases('agent, campaign, status, subject, менеджера, id'),
}

export const PERSON_NAME: Vocabulary = {
  tiers: [
    [3, phrases('customer, client, клиент*, покупател*, заказчик*, пациент*, контакт*, cliente, kunde, 客户, 用户')],
    [
      2,
      phrases(`
    =user, =name, full name, user name, username, фио, =имя, nombre, 姓名, =contact, =lead, =guest, гость,
    =person`),
    ],
    [1, phrases('company, компания, empresa, firma, 公司')],
  ],
  not: phrases(`
    type, тип, segment, сегмент, status, статус, source, источник, cohort, group, group*, lifecycle,
    agent`),
}

export const ANONYMOUS: Vocabulary = {
  tiers: [
    [
      4,
      phrases(`
    anonymous id, anonymousid, anon id, cookie*, visitor, visitor id, visitorid, user pseudo id,
    ga client id, ym client id, fingerprint, 访客`),
    ],
    [3, phrases('device id, deviceid, client id, clientid, idfa, gaid, 设备id, 设备 id')],
  ],
}

export const EVENT: Vocabulary = {
  tiers: [
    [6, phrases('=touchpoint')],
    [5, phrases('event, event name, event type, событи*, evento, ereignis, 事件')],
    [4, phrases('action, activity, действи*, accion, actividad, aktion, aktivitat, 操作, 行为')],
    [2, phrases('=type, =тип, =tipo, =typ, page, page type, страница, pagina, seite, 页面, 类型')],
    [1, phrases('=name, =category, категория')],
  ],
  not: phrases(`
    id, version, category id, url, value, label, previous, prev, next, last, count, number, предыдущ*,
    следующ*, source`),
}

/** Columns of a CRM or a phone system: where things stand, rather than what was done. */
export const STAGE: Vocabulary = {
  tiers: [
    [4.5, phrases('stage, step, phase, этап*, стади*, шаг, etapa, fase, schritt, 阶段, 步骤')],
    [
      2.5,
      phrases(`
    status, state, disposition, result, статус*, результат*, состояни*, estado, resultado, ergebnis, 状态,
    结果`),
    ],
  ],
  not: phrases('id, previous, prev, next, old, last, from, предыдущ*, прошл*, следующ*, code, number'),
}

export const ROW_ID: Vocabulary = {
  tiers: [
    [
      4,
      phrases(`
    event id, eventid, message id, messageid, interaction id, activity id, insert id, id события,
    call id, callid, uniqueid, unique id, 事件id`),
    ],
    [2, phrases('=id, =uuid, =guid, =ид, =event uuid')],
  ],
}

export const EPISODE: Vocabulary = {
  tiers: [
    [
      4,
      phrases(`
    =episode, session id, sessionid, =session, visit id, visitid, =visit, call id, callid, uniqueid,
    linkedid, conversation id, id сессии, id визита, id звонка, сессия, визит, id sesion, sesion,
    sitzung, 会话, 通话id`),
    ],
    [2, phrases('ticket id, chat id, session, сессии')],
  ],
  not: phrases('count, number, duration, start, length, type, source'),
}

export const CALL = phrases('call*, uniqueid, linkedid, звон*, llamada, anruf*, 通话')

export const ORDER: Vocabulary = {
  tiers: [
    [
      4,
      phrases(`
    =order, order id, orderid, order number, order no, order nr, transaction id, purchase id,
    invoice id, invoice number, номер заказа, id заказа, =заказ, номер договора, номер счета, pedido,
    numero de pedido, bestellnummer, auftragsnummer, 订单`),
    ],
    [3, phrases('deal id, opportunity id, id сделки, номер сделки, =сделка, =deal')],
  ],
  not: phrases('status, статус, date, дата, type, value, amount, total, 金额, 时间, 状态'),
}

export const VALUE: Vocabulary = {
  tiers: [
    [4, phrases('=value, amount, revenue, сумма, выручка, бюджет, importe, monto, betrag, umsatz, 金额, 销售额')],
    [3, phrases('total, price, стоимость, цена, итого, precio, preis, 价格, value, budget')],
  ],
  not: phrases('cost, id, type, lifetime, ltv, count, tax, discount, скидка'),
}

export const COST: Vocabulary = {
  tiers: [[3, phrases('cost, spend, spent, расход*, затрат*, costo, coste, kosten, 成本, 花费')]],
  not: phrases('id, type, center'),
}

export const CURRENCY: Vocabulary = { tiers: [[3, phrases('currency, валюта, moneda, wahrung, 币种, 货币')]] }

export const WAIT: Vocabulary = {
  tiers: [
    [3, phrases('wait, wait*, hold, hold time, holdtime, queue time, ring time, ожидани*, espera, wartezeit, 等待')],
  ],
  not: phrases('status, count, reason'),
}

export const DURATION: Vocabulary = {
  tiers: [
    // What a phone system calls the duration may include the ringing.
    [4, phrases('billsec, talk, talk*, разговор*, gesprachsdauer')],
    [
      3,
      phrases(`
    duration, duration*, call length, длительност*, продолжительност*, duracion, dauer, 时长`),
    ],
  ],
  not: phrases('status, count, type'),
}

/** Units as headers name them. */
export const UNITS: readonly (readonly [unit: 'ms' | 's' | 'm', names: RegExp])[] = [
  ['ms', phrases('ms, msec, millis*, мс, 毫秒')],
  ['m', phrases('min, mins, minute*, мин, минут*, minuto*, minuten, 分钟')],
  ['s', phrases('s, sec, secs, second*, сек, секунд*, segundo*, sekunden, billsec, 秒')],
]

/** Labels: fields that are taken as they are. */
export const LABELS = {
  channel: {
    tiers: [
      [4, phrases('=channel, acquisition channel, marketing channel, =канал, канал привлечения, =canal, =kanal, 渠道')],
      [
        3,
        phrases(`
    utm source, =source, traffic source, источник*, lead source, fuente, quelle, 来源, channel, канал*`),
      ],
      [2, phrases('utm medium, medium, referrer')],
    ],
    not: phrases('id, src, file'),
  },
  campaign: {
    tiers: [[3, phrases('campaign, utm campaign, кампани*, campana, kampagne, 广告活动, 推广')]],
    not: phrases('id'),
  },
  queue: {
    tiers: [[3, phrases('queue, queue name, queuename, очеред*, cola, warteschlange, 队列')]],
    not: phrases('time, wait, position, id'),
  },
  agent: {
    tiers: [
      [
        3,
        phrases(`
    agent, operator, manager, менеджер*, оператор*, ответственн*, сотрудник*, sales rep, assigned to,
    assignee, vendedor, agente, mitarbeiter, bearbeiter, 经理, 客服, 销售员`),
      ],
      [2, phrases('=owner, owner name, employee, 负责人')],
    ],
    not: phrases('user agent, email, phone, телефон'),
  },
} as const satisfies Readonly<Record<string, Vocabulary>>

export function weightOf(words: string, { tiers, not }: Vocabulary): number {
  if (not?.test(words)) return 0
  return Math.max(0, ...tiers.filter(([, names]) => names.test(words)).map(([weight]) => weight))
}
