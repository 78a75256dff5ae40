import { gunzipSync } from 'node:zlib';

// Files of one to three kilobytes that a decoder turns into more than a gigabyte. Kept, since making them takes as much:
//   sharp({ create: { width, height, channels: 3, background: '#888' } }).avif({ effort: 0, quality: 30 })
// then gzip -9n and base64.

const unpack = (...lines: string[]): Buffer => gunzipSync(Buffer.from(lines.join(''), 'base64'));

// 100 megapixels in 2.6 kB, with all of their colour (chromaSubsampling: '4:4:4').
export const hundredMegapixels = (): Buffer =>
  unpack(
    'H4sIAAAAAAACA2NgYJBJK6ksSCzLTGMAgtzMNEMQOzczEcS/lptaksgAAYoZKTlFUDZDQWZyCQMaUMrMyU8GMVwcGBiBEAR+QWkGTi4goZyZ',
    'mQe2BiwqCuSkMkF5iWUGhiAmX0FmSS5cSVhmQVEBkLbILEjOB9I8iWWGzo32YE0imcUFqRDD1QUgmEGgILMiEyTCzMHBAaTEMgtyYe4HOom5',
    'kYkZ6BSh3JTEEiEGLm777+n8c2yXsJhIORj9EBQ+45T05OWyWYnJCQ4MsedPaX0X43HqFrJK2u7Idj6s4SdXf5jN+rXF9f/6lZqFXBYl8805',
    'UWXzfaaS5z3LI/J/W3e0xt0scj4z5adA2K1F+TxTmQ+r8vZuWn0r8wqjgv+K/VOd1rl3z988376ob+bchNLzp9zrlnvqqCm08qzz/J4YdVFx',
    '37z8OfumsS/rEGy6cr4uSurnSfFJa3Z2Lgv8fVdl/rrcrd+vXMq7/v/YB5mZJv0VZjXHq9jTv+5prhSQVzkz+fj0F9t7+1l3b/3vt0E8meG1',
    '0J4PrYK2cyU6pNjNRM69dPrmMHFl9pootQGy9jwl1urKb/G7ybrXObszk9np+bfFZw8fvRbHZPM6UIDvUtiixczrPxkpCDXcc2w7kJwnqrj2',
    'uWHx+9D5F0Vf3Oc0dNkec6no6eM4n/Mrl73yF1AW0Hxw8OV69mJPB+vF1rs+SXH6hm6duyND5Fo2z87XCg4fF0a9tn6es7ypdv6p8pKJczf4',
    'Cm9M16lM2H0mxur8Ze63NXw/2y27VN/9fQgNR+3/RmHchsrVS/hZPnLc+OD9UOHojIIIr7hDb8tvnbuRalG/q2beelfXt94+J88zN99q3idU',
    '5eMndn3Jq7n/tvvPmlDFV7vNOZH7b4L2t9mi7g6dZnwnlgbsOsgy1+d3m8DXaLVO7QTx+Mlxp58tE047arPr4rJcoLVpr/fHv5PQa2PnPdwe',
    'cmVbS8snA6tr6iGzww72Ks+8KP7JZrJkqLE4j7GL/Gkfnsuv5189Mo2/MvHWKwlR/1vvZ8UEZKQ2VUz84XyuwmJaZdLt6z83vg+7M3U139rO',
    'lFdOceczpLa+5DavCnluKG/xls7WnSLPOtlz72b0rq6LqU4/2X7+bob+JK6kvXeuOa0q1bK6VnGhSupnr+hlpU3L9pwrfXvxSauoNH++q/Ki',
    'Wh7F8FstjdPebTb2ND+x72ngP8sfloon2OY3P3u4oqz5NuOhe6Vy6kulX3RXMd5cqRAqfzBjQi/ntNh0v415ETaPdl+qXqVeUznzq9iS6f5L',
    'tz85dlc6d8/NG/fnXbc+a578wHDqaAIZTSB4E8hE+icQztPqguVXP7Bna87eX6aes7flXtJk2XnJ6s9SN8150Zlu0EO/2NQ9yRbB+8ctRubx',
    '4lL1jvgj25zklD5c5pR5yP+8X8iCqfNzf8Pgcs3QTnkH1Rce40z3PcHenCkelX8w9GFhj9bvb3draiyWJ307AQCO1HM/BAoAAA==',
  );

// 48 megapixels in 1.2 kB.
export const fortyEightMegapixels = (): Buffer =>
  unpack(
    'H4sIAAAAAAACA2NgYJBJK6ksSCzLTGMAgtzMNEMQOzczEcS/lptaksgAAYoZKTlFUDZDQWZyCQMaUMrMyU8GMVwcGBiBEAR+QWkG5stAQjkz',
    'Mw9sDVhUFMhJZYLyEssMDEFMvoLMkly4krDMgqICIG2RWZCcD6R5EssMnRvleUDyIpnFBakQw/kXMDDoPQAyBAoyKzLB1nFwcAApscyCXJj7',
    'gU5ibmRiBsrdzk1JLBFi4OKWf19X9/ZbB0eGiYLRQXaBGf383LuXzcps7W1kYIg+f0rruxi3/RzOS1kCuzj0nRnaPqz/w3FM0vU3y43/LPxs',
    'zhuetv6TkWcXl2Wa0bR9txTTk/im/orC+d3yB55pVV3nK004u37VS42WaZyxSwxPur+cle0x+0rv9LIy//aEyvOn3OuWe6qFTNnaYTdV/1/L',
    'fbkfBYbblvvv0D2Vevaus028fnd+qbUVa13D/mWHDazOXOJX8NBp6jE5kKy3YpaaX8u2nyLHJ1S7zLlcpqRk46LtUF1r4cWZWv2TZVa4bfuj',
    'I/xxG2Ten72b7lxRkedqEmX3Msxhy4uLYdFXbx8YtXrUajpYTX+bdzUAAKWJ1QTNBAAA',
  );
