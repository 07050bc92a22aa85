# SPDX-License-Identifier: Apache-2.0
"""Queries by hand for Prometheus and Pharos: every function, operator and modifier, edge cases, errors."""

QUERIES = r'''
requests_total
sum by (job) (rate(requests_total[5m]))
rate(requests_total[1m])
increase(requests_total[10m])
irate(requests_total[2m])
delta(temperature[5m])
idelta(temperature[5m])
deriv(temperature[10m])
predict_linear(temperature[10m], 600)
avg_over_time(temperature[3m])
sum_over_time(odd{kind!="huge"}[5m])
min_over_time(temperature[5m])
max_over_time(odd[5m])
count_over_time(requests_total[7m])
stddev_over_time(temperature[5m])
stdvar_over_time(temperature[5m])
quantile_over_time(0.9, temperature[5m])
last_over_time(requests_total[2m])
present_over_time(temperature[1m])
changes(requests_total[5m])
resets(requests_total[30m])
absent(nothing{a="b"})
absent_over_time(temperature{room="r1"}[5m])
avg by (job) (temperature)
min without (room) (temperature)
max(temperature)
count by (job) (requests_total)
stddev by (job) (temperature)
stdvar(temperature)
quantile by (job) (0.5, temperature)
topk(3, temperature)
bottomk by (job) (1, temperature)
count_values("v", floor(temperature / 10))
group by (job) (requests_total)
histogram_quantile(0.9, sum by (le, job) (rate(latency_seconds_bucket[5m])))
histogram_quantile(0.5, latency_seconds_bucket)
temperature > 60
temperature > bool 60
60 < temperature
requests_total / on (job) group_left () sum by (job) (requests_total)
sum by (job) (requests_total) and sum by (job) (temperature)
sum by (job) (requests_total) or sum by (room) (temperature)
sum by (job) (requests_total) unless sum by (job) (latency_seconds_bucket)
-temperature
temperature ^ 2 % 7
temperature * 2 + 1
abs(odd)
ceil(temperature)
round(temperature, 5)
clamp(temperature, 20, 60)
sqrt(temperature)
ln(requests_total)
sgn(odd)
label_replace(temperature, "x", "$1", "room", "r(.*)")
label_join(temperature, "x", "-", "job", "room")
time()
timestamp(temperature)
hour()
day_of_week(timestamp(temperature))
vector(3)
scalar(sum(temperature))
rate(requests_total[5m] offset 10m)
requests_total offset -1m
max_over_time(rate(requests_total[1m])[10m:30s])
avg_over_time(sum by (job) (temperature)[5m:])
sum_over_time(temperature[1m:7s])
requests_total @ end()
rate(requests_total[5m] @ start())
{__name__=~"temp.*", job="j1"}
{__name__=~"requests_total|odd"}
temperature{room!~"r[0-3]"}
temperature{nothing=""}
requests_total{job=~"j0|j2", instance!="i0"}
sum(rate({__name__="requests_total"}[5m])) / count(requests_total)
1 + 2 * 3 ^ 2
5 > bool 3

flappy
flappy offset 90s
count(flappy)
count_over_time(flappy[4m])
changes(flappy[10m])
rate(flappy[3m])
last_over_time(flappy[7m])
absent(flappy{i="2"})
absent_over_time(flappy{i="1"}[45s])
sum by (half) (flappy)
flappy{i="0"} and on () flappy{i="1"}
timestamp(flappy)
flappy[1m:5s]
sparse
sparse offset 3m
present_over_time(sparse[2m])
late or early
late
early
early unless on () late

odd
odd + 1
-odd
odd * 0
odd / 0
odd % 3
odd == 0
odd != odd
odd > bool 0
sort(odd)
sort_desc(odd)
sum(odd{kind!="huge"})
avg(odd{kind!="huge"})
min(odd)
max(odd)
stddev(odd{kind!="huge"})
quantile(0.5, odd)
quantile(0, odd)
quantile(2, temperature)
quantile(-1, temperature)
quantile(NaN, temperature)
quantile(2, nope)
quantile_over_time(1.5, temperature[5m])
quantile_over_time(0.5, odd[5m])
min_over_time(odd[5m])
changes(odd[5m])
resets(odd[5m])
count_values("v", odd{kind="zero"})
count_values("v", -odd{kind="zero"})
count_values("v", odd)
count_values("job", temperature > 80)
count_values by (job) ("v", floor(temperature / 20))
count_values without (room) ("room", floor(temperature / 20))
count_values("", odd)
exp(odd)
log2(odd)
log10(odd)
round(odd)
round(odd, -2.5)
round(odd, 0)
clamp_min(odd, 3)
clamp_max(odd, 3)
clamp(odd, 3, 2)
deg(odd{kind="inf"})
rad(odd{kind="inf"})
sin(odd{kind="zero"}) + cos(odd{kind="zero"})
atanh(odd{kind="zero"})
acosh(odd{kind="inf"})
tan(temperature)
temperature atan2 temperature
0 / 0
1 / 0
-1 / 0
-(0)
0 * -1
1e400
0x1F
5 % 0
-5 % 3
2 ^ -1
2 ^ 3 ^ 2
-2 ^ 2
NaN == bool NaN
Inf > bool NaN
1 atan2 -1
vector(NaN)
vector(-0)
scalar(temperature)
scalar(nope)
scalar(odd{kind="nan"})
pi()

rate({__name__=~"twin_.*"}[5m])
abs({__name__=~"twin_.*"})
-{__name__=~"twin_.*"}
{__name__=~"twin_.*"} + 1
{__name__=~"twin_.*"} > bool 2
{__name__=~"twin_.*"} > 2
({__name__=~"twin_.*"} + 0) > 100
rate({__name__=~"twin_.*"}[5m]) > 100
last_over_time({__name__=~"twin_.*"}[5m])
sum_over_time({__name__=~"twin_.*"}[5m])
label_replace({__name__=~"twin_.*"}, "__name__", "one", "", "")
label_replace(temperature, "room", "same", "room", ".*")
label_replace(temperature, "room", "", "", "")
label_replace(temperature, "job", "$2-$1", "room", "(.)(.)")
label_replace(temperature, "job", "${1}x", "room", "(r[0-4])")
label_replace(temperature, "new", "$9", "room", "(.*)")
label_replace(temperature, "__name__", "neu", "room", "r[0-3]")
label_replace(temperature, "a b", "x", "room", "r[0-3]")
label_replace(temperature, "x", "y", "room", "(")
label_replace(build_info, "v", "<$1>", "version", "(?s:(.*))")
label_join(temperature, "__name__", "", "job", "room")
label_join(temperature, "room", "", "job")
label_join(temperature, "x", "-")
label_join(temperature, "x", ", ", "nothing", "job", "nothing")
label_join(temperature, "", "-", "job")
{__name__=~"twin_.*"} and {__name__="twin_a"}
twin_a or twin_b
twin_a and twin_b
twin_a unless twin_b
twin_a == twin_b
twin_a + twin_b
twin_a - ignoring (x) twin_b
twin_a == ignoring (x) twin_b{x="1"}
twin_a{x="1"} == ignoring (x) twin_b{x="2"}
twin_a{x="1"} >= ignoring (x) twin_b{x="2"}
twin_a{x="1"} >= bool ignoring (x) twin_b{x="2"}
twin_a{x="1"} > on () twin_b{x="2"}
twin_a{x="1"} >= on (x) twin_b{x="1"}

requests_total * on (instance, job) group_left (version) build_info
build_info * on (instance, job) group_right () requests_total
build_info * on (instance, job) group_right (version) requests_total
rate(requests_total[5m]) * ignoring (version) group_left (version) build_info
sum by (version) (rate(requests_total[5m]) * on (instance) group_left (version) build_info)
requests_total + on (job) temperature
requests_total + on (job) group_left () temperature
requests_total / ignoring (instance) temperature
requests_total * on (instance) group_left (job) build_info
temperature / on (job) group_left (version) sum by (job) (temperature)
temperature > on (job) group_left () avg by (job) (temperature)
temperature > bool on (job) group_left () avg by (job) (temperature)
temperature * on (job) group_left (room) sum by (job, room) (temperature{room=~"r[0-2]"})
temperature and on (job) requests_total{job="j1"}
temperature unless on (job) requests_total{job="j1"}
temperature or on (job) requests_total{job="j1"}
temperature == on (room) temperature
2 ^ temperature
odd{kind!="huge"} ^ odd{kind!="huge"}
odd ^ 0
1 ^ odd
odd ^ NaN
(-8) ^ 0.5
NaN ^ 0
Inf ^ -1
1 atan2 odd
odd atan2 odd
temperature ^ on (job) group_left () count by (job) (temperature)
temperature atan2 on (job) group_left () sum by (job) (temperature)
1 atan2 scalar(nope)
stddev without (instance) (requests_total)
stdvar by (kind) (odd)
stddev by (x) (twin_a * 0.001)
temperature + temperature
(temperature > 60) + (temperature > 50)

topk(2, odd{kind="inf"})
topk by (job) (2, temperature)
topk(0, temperature)
topk(-1, temperature)
topk(NaN, temperature)
topk(1e30, temperature)
topk(2.9, temperature)
topk(scalar(nope), temperature)
topk(scalar(count(late)), temperature)
bottomk(100, temperature)
topk without (job) (1, temperature)
topk(1, nope)
sum without () (temperature)
sum by () (temperature)
sum by (nothing, job) (temperature)
sum by (job, job) (temperature)
avg without (instance) (requests_total)
group(nope)
count(nope)
sum(nope)
absent(nope)
absent(sum(nope))
absent({job="a", job="b"})
absent({job=~"a", x="y", __name__="nope"})
absent_over_time(nope{x="y"}[5m])

rate(temperature[5m])
increase(temperature[5m])
irate(temperature[5m])
rate(temperature[5m]) + rate(temperature[1m])
irate(temperature[5m]) or rate(odd[1m]) or delta(temperature[1m])
rate(latency_seconds_sum[5m]) / rate(latency_seconds_count[5m])
rate({__name__=~"requests_total|temperature"}[5m])
histogram_quantile(0.9, rate(latency_seconds_bucket[5m]))
histogram_quantile(2, latency_seconds_bucket)
histogram_quantile(-1, latency_seconds_bucket)
histogram_quantile(NaN, latency_seconds_bucket)
histogram_quantile(0.5, latency_seconds_bucket{le!="1"})
histogram_quantile(0.5, latency_seconds_bucket{le!="+Inf"})
histogram_quantile(0.5, sum(latency_seconds_bucket))
histogram_quantile(0.5, temperature)
histogram_quantile(0.99, label_replace(latency_seconds_bucket, "le", "x", "le", "5"))
histogram_quantile(0.5, latency_seconds_bucket * on (job, le) group_left () (latency_seconds_bucket > 300))
histogram_quantile(0.5, -latency_seconds_bucket)
histogram_quantile(0.5, latency_seconds_bucket * NaN)
histogram_quantile(0.5, latency_seconds_bucket * on (le) group_left () (0 / (latency_seconds_bucket{job="j1"} == bool scalar(latency_seconds_bucket{job="j1",le="1"}))))
timestamp(temperature offset 10m @ start())
min_over_time((quantile_over_time(time(), build_info[40s]))[5m:])
idelta((temperature * on (job) group_left () count by (job) (temperature))[10m:7s])
-({__name__=~"late|early"} offset -5m)
scalar(-{__name__=~"late|early"})
build_info >= on (x) flappy
histogram_count(latency_seconds_bucket)
histogram_sum(temperature)
histogram_avg(temperature)
histogram_stddev(temperature)
histogram_fraction(0, 1, latency_seconds_bucket)
histogram_fraction(0, 0.2, rate(latency_seconds_bucket[5m]))

requests_total @ 1709164800
rate(requests_total[5m] @ 1709164860.5)
requests_total @ end() offset 20m
requests_total offset 20m @ start()
sum_over_time(rate(requests_total[1m])[10m:1m] @ end())
rate(requests_total[5m:15s] @ start() offset -5m)
max_over_time((temperature @ 1709166000)[10m:1m])
temperature - temperature @ start()
temperature offset 3h
temperature offset -3h
rate(requests_total[2h])
avg_over_time(temperature[3h])
count_over_time(temperature[4h])
count_over_time(requests_total[15s])
count_over_time(requests_total[1ms])
sum_over_time(vector(1)[5m:30s])
max_over_time(time()[5m:17s])
avg_over_time(odd{kind="nan"}[2m:30s])
quantile_over_time(0.5, rate(requests_total[1m])[10m:1m])
rate(sum by (job) (requests_total)[10m:30s])
holt_winters(temperature[5m], 0.5, 0.5)
double_exponential_smoothing(temperature[5m], 0.5, 0.5)
predict_linear(odd{kind="inf"}[5m], 60)
deriv(requests_total[15s])
delta(odd[5m])
mad_over_time(temperature[5m])
sum_over_time(odd{kind="inf"}[5m])
avg_over_time(odd{kind="inf"}[5m])
stddev_over_time(odd{kind="inf"}[5m])

minute(vector(1709164799.9))
hour(vector(-1))
month(timestamp(temperature{room="r1"}))
year(vector(1709164800))
day_of_month(vector(1709164800))
day_of_year(vector(1709251200))
days_in_month(vector(1709164800))
day_of_week(vector(1709164800))
days_in_month()
day_of_month()
minute()
year(odd)
timestamp(temperature + 0)
timestamp(sum(temperature))
timestamp(temperature offset 1h)
timestamp((temperature))

temperature{room=~"r1|r2"}
temperature{room=~""}
temperature{room!~".+"}
temperature{room=~".*"}
temperature{room=~"(?i:R1)"}
{job="j1", room=""}
{room=~"r[1-3]", room!="r2"}
build_info{version="2.0 \"beta\"\n"}
build_info{version=~"gr.*r"}
{"temperature", room="r1"}
{"temperature"}
"text"
'single'
temperature or vector(0)
vector(1) or temperature
sort_by_label(temperature, "room")
count(limitk(2, temperature))
sort_by_label_desc(build_info, "version", "instance")
clamp(odd{kind="zero"}, 0, 1)
clamp_min(odd{kind="zero"}, 0)
clamp_max(-odd{kind="zero"}, -0)
clamp_max(odd{kind="zero"}, 0)
avg_over_time({__name__=~"late|early"}[5m])
abs({__name__=~"late|early"})
-{__name__=~"late|early"}
label_replace({__name__=~"late|early"}, "__name__", "both", "", "")
(quantile by (room) (-1, temperature{job="j1"})) >= on (job) (group by (job) (late))
temperature > on () vector(1000)
temperature > on () vector(1)
temperature > bool on () vector(1000)
requests_total{job=~"*"}
requests_total{job=~"j0|)"}
requests_total{job=~"(?P<n>j)0"}
requests_total{job=~"j[[:digit:]]"}
requests_total{job=~"\\d"}
requests_total{job=~"(?=j)"}
requests_total{job=~"j{1001}"}
requests_total{job!~"j(0|1"}
label_replace(temperature, "x", "y", "room", "a)(")

temperature{
temperature{room}
temperature{room="r1"
temperature[5m]
rate(temperature)
rate(temperature[5m)
sum(temperature[5m])
foo(temperature)
temperature +
+ temperature
- - temperature
temperature + "x"
1 + "x"
"a" + "b"
1 > 2
1 and 2
temperature and 2
temperature offset
temperature offset 5
temperature[5m] offset 1m offset 2m
temperature @ abc
temperature @ start
sum by (job (temperature)
sum by (job) temperature
sum(temperature) by job
topk(temperature)
topk("a", temperature)
topk(temperature, temperature)
count_values(1, temperature)
count_values("a b", temperature)
label_replace(temperature, "x", "y")
label_replace(temperature, x, "y", "z", "w")
label_join(temperature)
clamp(temperature)
round(temperature, "x")
round()
time(1)
vector(temperature)
scalar(1)
absent(1)
{}
{x=""}
{x=~".*"}
{x!="a"}
{__name__="temperature", __name__="odd"}
temperature{__name__="odd"}
temperature{room=~"["}
temperature{room=~"a)("}
temperature[0s]
temperature[5m:0s]
temperature[5x]
temperature[-5m]
temperature[5m:1m:1m]
(temperature[5m])[5m]
sum_over_time(temperature)
temperature == == 1
temperature bool 1
temperature + bool 1
temperature * on (job) group_left group_right temperature
temperature and on (job) group_left () temperature
temperature + on (job) group_left (job) temperature
1 + on (job) temperature
$
temperature{room="r1",}
temperature{,}
sum()
sum(1)
sum((temperature))
(
)
()

# only a comment
temperature # and a comment
"unclosed
temperature{room="\x"}
1e
0x
1_000
1d
1h30m
temperature ^ temperature[5m]
quantile(temperature)
quantile("x", temperature)
-"x"
-temperature[5m]
temperature[5m] @ 3 + 1
start()
bool
by
sum
offset
'''.strip('\n').splitlines()
QUERIES = [q for q in QUERIES if q] + ['']
