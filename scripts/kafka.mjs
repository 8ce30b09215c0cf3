#!/usr/bin/env node
// A single Apache Kafka broker for development and CI, on the loopback interface.
//
//   node scripts/kafka.mjs up       starts it, waits until it answers, prints KAFKA_BROKERS=… last
//   node scripts/kafka.mjs down     stops it; what it holds is kept
//   node scripts/kafka.mjs status   tells whether it runs (exit code 3 if not)
//
// It runs in Docker where `docker info` answers, else on Java 17 or newer with the jars that Maven
// resolves once.
//
//   KAFKA_PORT      port of the broker, 0 for a free one (default 9092)
//   MOORING_HOME    its data are in the folder kafka of this one (default .mooring)
//   MOORING_CACHE   where the jars are kept (default: the user's cache folder)

import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes, randomInt } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const VERSION = '4.3.0'
const HOST = '127.0.0.1'
const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 20_000

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)))
const FOLDER = join(resolve(ROOT, process.env.MOORING_HOME || '.mooring'), 'kafka')
const RECORD = join(FOLDER, 'broker.json')
const LOG = join(FOLDER, 'kafka.log')
const DATA = join(FOLDER, 'data')

/** A reason to stop that the user can act on; printed as one line. */
class Advice extends Error {}

async function up() {
  const running = findBroker()
  if (running !== undefined) return announce(running, 'is up already')
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 })
  const port = await wantedPort()
  const broker = dockerAnswers() ? startContainer(port) : await startJava(port)
  writeFileSync(RECORD, JSON.stringify(broker))
  await whenAnswering(broker)
  announce(broker, 'is up')
}

async function down() {
  const broker = findBroker()
  if (broker === undefined) return say('Kafka is not running')
  if (broker.container !== undefined) docker('stop', broker.container)
  else await endProcess(broker.pid, broker.started)
  rmSync(RECORD, { force: true })
  say('Kafka is down')
}

async function status() {
  const broker = findBroker()
  if (broker !== undefined && (await answers(broker.port))) return announce(broker, 'is up')
  say(broker === undefined ? 'Kafka is not running' : `Kafka runs but does not answer; see ${LOG}`)
  process.exitCode = 3
}

function announce({ port, pid, container }, words) {
  say(
    `Kafka ${VERSION} ${words} (${container === undefined ? `process ${pid}` : `container ${container}`})`,
  )
  process.stdout.write(`KAFKA_BROKERS=${HOST}:${port}\n`)
}

// The broker that runs

/** The broker that this folder's record tells of, if it still runs. */
function findBroker() {
  if (!existsSync(RECORD)) return undefined
  const broker = JSON.parse(readFileSync(RECORD, 'utf8'))
  const runs =
    broker.container === undefined ? startOf(broker.pid) === broker.started : isUp(broker.container)
  return runs ? broker : undefined
}

function isUp(container) {
  const { status, stdout } = spawnSync(
    'docker',
    ['inspect', '-f', '{{.State.Running}}', container],
    { encoding: 'utf8' },
  )
  return status === 0 && stdout.trim() === 'true'
}

/** When a process started, which tells it from a later one with the same pid; undefined if it is gone. */
function startOf(pid) {
  try {
    if (process.platform !== 'linux')
      return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

async function endProcess(pid, started) {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    if (startOf(pid) !== started) return
    process.kill(pid, signal)
    for (let waitedMs = 0; waitedMs < STOP_TIMEOUT_MS && startOf(pid) === started; waitedMs += 50)
      await sleep(50)
  }
}

async function whenAnswering(broker) {
  for (let waitedMs = 0; waitedMs < READY_TIMEOUT_MS; waitedMs += 100) {
    if (await answers(broker.port)) return
    if (findBroker() === undefined) break
    await sleep(100)
  }
  await down()
  throw new Advice(`Kafka did not start: ${lastWords()} (${LOG})`)
}

function lastWords() {
  if (!existsSync(LOG)) return 'see `docker logs`'
  const lines = readFileSync(LOG, 'utf8').trim().split('\n')
  return lines.findLast((line) => /ERROR|FATAL|Exception/.test(line)) ?? lines.at(-1)
}

/** Whether a broker answers an ApiVersions request, the first that every client sends. */
async function answers(port) {
  const request = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])
  return new Promise((settle) => {
    const socket = connect({ host: HOST, port })
    const end = (answer) => {
      socket.destroy()
      settle(answer)
    }
    socket.setTimeout(1000, () => end(false))
    socket.once('connect', () => socket.write(request))
    socket.once('data', (data) =>
      end(data.length >= 10 && data.readInt32BE(4) === 1 && data.readInt16BE(8) === 0),
    )
    socket.once('error', () => end(false))
    socket.once('close', () => end(false))
  })
}

// Ports

async function wantedPort() {
  const text = process.env.KAFKA_PORT || '9092'
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new Advice(`KAFKA_PORT is ${text}, not a port`)
  const free = port === 0 ? await freePort() : await tryPort(port)
  if (free === undefined)
    throw new Advice(`port ${port} is taken; set KAFKA_PORT to another port, or to 0 for any`)
  return free
}

/**
 * A port that nobody listens on, below what systems give to outgoing connections by themselves: the
 * broker takes seconds to listen, and one of those may be there before it.
 */
async function freePort() {
  for (let attempt = 1; attempt <= 100; attempt += 1) {
    const port = await tryPort(randomInt(15_000, 32_000))
    if (port !== undefined) return port
  }
  throw new Advice('no port between 15000 and 32000 is free')
}

/** The port itself, if nobody listens there. */
async function tryPort(port) {
  const server = createServer()
  return new Promise((settle) => {
    server.once('error', () => settle(undefined))
    server.listen({ host: HOST, port, exclusive: true }, () => {
      server.close(() => settle(port))
    })
  })
}

// Docker

function dockerAnswers() {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0
}

/** The container keeps its data while it is stopped; another port needs another container. */
function startContainer(port) {
  const name = `mooring-kafka-${createHash('sha256').update(FOLDER).digest('hex').slice(0, 8)}-${port}`
  const known = spawnSync('docker', ['inspect', name], { stdio: 'ignore' }).status === 0
  if (known) docker('start', name)
  else {
    say('starting Kafka in Docker')
    docker(
      'run',
      '--detach',
      '--name',
      name,
      '--publish',
      `${HOST}:${port}:${port}`,
      ...containerSettings(port),
      `apache/kafka:${VERSION}`,
    )
  }
  return { container: name, port }
}

function containerSettings(port) {
  const own = {
    listeners: `PLAINTEXT://:${port},CONTROLLER://:29093`,
    'controller.quorum.voters': '1@localhost:29093',
  }
  return Object.entries({ ...settings(port, 29_093), ...own }).flatMap(([name, value]) => [
    '--env',
    `KAFKA_${name.toUpperCase().replaceAll('.', '_')}=${value}`,
  ])
}

function docker(...args) {
  const { status, stderr } = spawnSync('docker', args, { encoding: 'utf8' })
  if (status !== 0) throw new Advice(`docker ${args[0]}: ${stderr.trim()}`)
}

// Java

async function startJava(port) {
  const java = findJava()
  const jars = join(fetchJars(), '*')
  const properties = join(FOLDER, 'server.properties')
  const controllerPort = await freePort()
  const lines = Object.entries({ ...settings(port, controllerPort), 'log.dirs': DATA })
  writeFileSync(properties, lines.map(([name, value]) => `${name}=${value}\n`).join(''))
  if (!existsSync(join(DATA, 'meta.properties'))) format(java, jars, properties)
  say('starting Kafka')
  return { ...spawnBroker(java, jars, properties), port }
}

function findJava() {
  const java = process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'
  const { error, stderr } = spawnSync(java, ['-version'], { encoding: 'utf8' })
  if (error !== undefined)
    throw new Advice(
      'Kafka needs Docker, or Java 17 or newer with Maven; neither a Docker daemon nor java was found',
    )
  const major = Number(/version "(\d+)/.exec(stderr)?.[1])
  if (!(major >= 17))
    throw new Advice(`Kafka needs Java 17 or newer; this is ${stderr.split('\n')[0]}`)
  return java
}

/** The folder of the jars; resolved into a folder of its own first, so that a half is never used. */
function fetchJars() {
  const cache = cacheFolder()
  const folder = join(cache, `kafka-${VERSION}`)
  if (existsSync(folder)) return join(folder, 'jars')
  say(`fetching Kafka ${VERSION}, once`)
  mkdirSync(cache, { recursive: true })
  const fresh = mkdtempSync(join(cache, 'kafka-'))
  try {
    writeFileSync(join(fresh, 'pom.xml'), pom())
    resolveJars(fresh)
    renameSync(fresh, folder)
  } catch (error) {
    // Another start was quicker, and its copy is as good.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return join(folder, 'jars')
}

function resolveJars(folder) {
  const goals = [
    'dependency:copy-dependencies',
    '-DincludeScope=runtime',
    `-DoutputDirectory=${join(folder, 'jars')}`,
  ]
  const { error, status, stdout } = spawnSync('mvn', ['-q', '-B', ...goals], {
    cwd: folder,
    encoding: 'utf8',
  })
  if (error !== undefined)
    throw new Advice('Maven (mvn) is not on PATH; install it, or start Docker')
  if (status === 0) return
  const reason = stdout.split('\n').find((line) => line.includes('ERROR')) ?? stdout.trim()
  throw new Advice(`Maven cannot fetch Kafka ${VERSION}: ${reason.slice(0, 300)}`)
}

function cacheFolder() {
  if (process.env.MOORING_CACHE) return process.env.MOORING_CACHE
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Caches', 'mooring')
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mooring')
}

function pom() {
  const dependency = (group, artifact, version) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
  return `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>mooring</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', VERSION)}
    ${dependency('org.slf4j', 'slf4j-simple', '1.7.36')}
  </dependencies>
</project>
`
}

function format(java, jars, properties) {
  rmSync(DATA, { recursive: true, force: true })
  // Kafka writes a cluster id as 16 bytes in URL-safe base64, which must not begin like an option.
  const id = `M${randomBytes(16).toString('base64url').slice(1)}`
  const args = [
    ...heap(64),
    '-cp',
    jars,
    'kafka.tools.StorageTool',
    'format',
    '-t',
    id,
    '-c',
    properties,
  ]
  const { status, stdout, stderr } = spawnSync(java, args, { encoding: 'utf8' })
  if (status !== 0)
    throw new Advice(`Kafka cannot format ${DATA}: ${(stderr || stdout).trim().split('\n').at(-1)}`)
}

function spawnBroker(java, jars, properties) {
  const output = openSync(LOG, 'w', 0o600)
  const args = [...heap(256), '-cp', jars, 'kafka.Kafka', properties]
  const child = spawn(java, args, {
    cwd: FOLDER,
    detached: true,
    stdio: ['ignore', output, output],
  })
  child.unref()
  closeSync(output)
  return { pid: child.pid, started: startOf(child.pid) }
}

function heap(megabytes) {
  return [`-Xmx${megabytes}m`, '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
}

/** One broker that is its own controller; after a kill it waits 1.5 s for its former session, not 9. */
function settings(port, controllerPort) {
  return {
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
    listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${HOST}:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 4,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'auto.create.topics.enable': false,
    'broker.session.timeout.ms': 1500,
    'broker.heartbeat.interval.ms': 300,
    'log.cleaner.dedupe.buffer.size': 16_777_216,
  }
}

function say(line) {
  process.stderr.write(`mooring: ${line}\n`)
}

const command = { up, down, status }[process.argv[2]]
try {
  if (command === undefined) throw new Advice('usage: node scripts/kafka.mjs up | down | status')
  await command()
} catch (error) {
  say(error instanceof Advice ? error.message : error.stack)
  process.exitCode = 1
}
